-- A file as schema version 1 had it. Bodies: the length of the packed labels, the labels (`says: hi`), the value.
PRAGMA application_id = 1146246738;
PRAGMA user_version = 1;
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE log (id INTEGER PRIMARY KEY, key TEXT, created INTEGER NOT NULL, deleted INTEGER NOT NULL, body BLOB NOT NULL);
INSERT INTO meta VALUES ('compacted', 2);
INSERT INTO log VALUES (2048, 'example.com/widgets/a/x', 2, 0, X'0800000004736179730268697B2276223A327D');
INSERT INTO log VALUES (3072, 'example.com/widgets/a/x', 2, 0, X'0800000004736179730268697B2276223A337D');
INSERT INTO log VALUES (3073, 'example.com/widgets/a/y', 3, 0, X'000000007B2276223A337D');
INSERT INTO log VALUES (4096, 'example.com/widgets/a/y', 3, 1, X'000000007B2276223A347D');
