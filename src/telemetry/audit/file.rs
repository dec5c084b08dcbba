//! The file of events: turned over by size, old ones removed by number and age.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::time::Clockwork;
use crate::config::server::AuditLog as Settings;

/// `2026-11-23T19-33-53.123456Z`
const STAMP: usize = 27;

/// What could not be written: whole lines.
#[derive(Debug)]
pub struct Unwritten<'a> {
    pub rest: &'a [u8],
    pub error: io::Error,
}

#[derive(Debug)]
enum Target {
    Stdout,
    File { file: File, size: u64 },
}

/// An open file of events.
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    target: Target,
    // 0 stands for no bound, in all three.
    max_size: u64,
    max_backups: usize,
    max_age: Duration,
}

impl FileSink {
    /// Opens the file for appending, made with mode 0600 where there is none; `-` is standard output.
    pub fn open(settings: &Settings) -> io::Result<Self> {
        let path = settings.path.clone();
        let target = if path.as_os_str() == "-" { Target::Stdout } else { open(&path)? };
        let sink = Self {
            path,
            target,
            max_size: settings.max_size.0,
            max_backups: usize::try_from(settings.max_backups).unwrap_or(usize::MAX),
            max_age: settings.max_age.0,
        };
        sink.prune(SystemTime::now());
        Ok(sink)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends whole lines; a file ends at a whole line whatever happens, and is turned over before it would pass its
    /// size.
    pub fn append<'a>(&mut self, mut lines: &'a [u8]) -> Result<(), Unwritten<'a>> {
        while !lines.is_empty() {
            let fits = self.fits(lines);
            let (now, later) = match lines.split_at_checked(fits) {
                Some((now, later)) if !now.is_empty() => (now, later),
                _ => {
                    self.turn_over().map_err(|error| Unwritten { rest: lines, error })?;
                    // A line that is longer than a whole file goes into one of its own.
                    let first = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
                    lines.split_at(first.max(self.fits(lines)))
                }
            };
            if let Err((written, error)) = self.write(now) {
                return Err(Unwritten { rest: lines.get(written..).unwrap_or_default(), error });
            }
            lines = later;
        }
        Ok(())
    }

    /// How many bytes of `lines`, up to the end of a line, the file can take.
    fn fits(&self, lines: &[u8]) -> usize {
        let Target::File { size, .. } = self.target else { return lines.len() };
        let room = self.max_size.saturating_sub(size);
        if self.max_size == 0 {
            return lines.len();
        }
        match usize::try_from(room).ok().and_then(|room| lines.get(..room)) {
            Some(head) => head.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
            None => lines.len(),
        }
    }

    /// On failure says how many bytes, up to the end of a line, were written.
    fn write(&mut self, lines: &[u8]) -> Result<(), (usize, io::Error)> {
        let (file, size) = match &mut self.target {
            Target::Stdout => {
                let mut stdout = io::stdout().lock();
                return stdout.write_all(lines).and_then(|()| stdout.flush()).map_err(|error| (0, error));
            }
            Target::File { file, size } => (file, size),
        };
        let mut written = 0;
        while let Some(rest) = lines.get(written..).filter(|rest| !rest.is_empty()) {
            let error = match file.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(count) => {
                    written += count;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            // Half a line would spoil the next one.
            let head = lines.get(..written).unwrap_or_default();
            let whole = head.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            *size += whole as u64;
            if whole != written
                && let Err(error) = file.set_len(*size)
            {
                tracing::warn!(%error, "half a line stays in the audit log");
            }
            return Err((whole, error));
        }
        *size += written as u64;
        Ok(())
    }

    fn turn_over(&mut self) -> io::Result<()> {
        let Target::File { file, size } = &self.target else { return Ok(()) };
        if *size == 0 {
            return Ok(());
        }
        // A file that cannot be synced is as good as it gets; events go on.
        let _ = file.sync_data();
        let now = SystemTime::now();
        let backup = self.backup(now);
        fs::rename(&self.path, &backup)?;
        match open(&self.path) {
            Ok(target) => self.target = target,
            Err(error) => {
                // The open handle follows the renamed file: put its name back, and try again with the next batch.
                fs::rename(&backup, &self.path)?;
                return Err(error);
            }
        }
        self.prune(now);
        Ok(())
    }

    /// `audit.log` becomes `audit-2026-11-23T19-33-53.123456Z.log`.
    fn backup(&self, now: SystemTime) -> PathBuf {
        let (prefix, suffix) = self.affixes();
        let mut moment = now;
        loop {
            let mut stamp = Vec::new();
            Clockwork::default().write(moment, &mut stamp);
            let mut name = prefix.clone();
            name.push(String::from_utf8_lossy(&stamp).replace(':', "-"));
            name.push(&suffix);
            let path = self.path.with_file_name(name);
            if !path.exists() {
                return path;
            }
            moment += Duration::from_micros(1);
        }
    }

    fn affixes(&self) -> (OsString, OsString) {
        let mut prefix = self.path.file_stem().unwrap_or_default().to_owned();
        prefix.push("-");
        let mut suffix = OsString::new();
        if let Some(extension) = self.path.extension() {
            suffix.push(".");
            suffix.push(extension);
        }
        (prefix, suffix)
    }

    /// Turned-over files, oldest first: their names sort by time.
    fn backups(&self) -> Vec<PathBuf> {
        let (prefix, suffix) = self.affixes();
        let (prefix, suffix) = (prefix.to_string_lossy().into_owned(), suffix.to_string_lossy().into_owned());
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut backups: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let stamp = name.strip_prefix(&prefix).and_then(|name| name.strip_suffix(&suffix));
                stamp.is_some_and(|stamp| {
                    stamp.len() == STAMP
                        && stamp.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'T' | b'.' | b'Z'))
                })
            })
            .map(|entry| entry.path())
            .collect();
        backups.sort();
        backups
    }

    fn prune(&self, now: SystemTime) {
        if matches!(self.target, Target::Stdout) {
            return;
        }
        let backups = self.backups();
        let surplus = if self.max_backups == 0 { 0 } else { backups.len().saturating_sub(self.max_backups) };
        for (index, path) in backups.iter().enumerate() {
            let old = !self.max_age.is_zero()
                && fs::metadata(path)
                    .and_then(|meta| meta.modified())
                    .is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > self.max_age));
            if (index < surplus || old)
                && let Err(error) = fs::remove_file(path)
            {
                tracing::warn!(file = %path.display(), %error, "an old audit log cannot be removed");
            }
        }
    }

    /// Sees to it that what was written stays.
    pub fn finish(&mut self) {
        if let Target::File { file, .. } = &self.target
            && let Err(error) = file.sync_all()
        {
            tracing::warn!(file = %self.path.display(), %error, "the audit log cannot be synced");
        }
    }
}

fn open(path: &Path) -> io::Result<Target> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut size = file.metadata()?.len();
    // The process may have died in the middle of a line.
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            size += 1;
        }
    }
    Ok(Target::File { file, size })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    use super::FileSink;
    use crate::config::{
        server::AuditLog as Settings,
        units::{Period, Size},
    };

    fn sink(path: &Path, max_size: u64, max_backups: u32) -> FileSink {
        let settings =
            Settings { path: path.to_owned(), max_size: Size(max_size), max_backups, max_age: Period::secs(3600) };
        FileSink::open(&settings).unwrap()
    }

    #[test]
    fn a_file_is_turned_over_at_a_line_before_it_passes_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let mut sink = sink(&path, 10, 0);
        sink.append(b"aaaa\nbbbb\ncccc\ndddddddddddddddd\ne\n").unwrap();
        let mut texts: Vec<_> = sink.backups().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        texts.push(fs::read_to_string(&path).unwrap());
        assert_eq!(texts, ["aaaa\nbbbb\n", "cccc\n", "dddddddddddddddd\n", "e\n"]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_so_many_old_files_are_kept_and_no_stranger_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        for stranger in ["audit-old.log", "audit.log.1", "other-2026-11-23T19-33-53.123456Z.log"] {
            fs::write(folder.path().join(stranger), "x").unwrap();
        }
        let mut sink = sink(&path, 2, 2);
        sink.append(b"1\n2\n3\n4\n5\n").unwrap();
        let kept: Vec<_> = sink.backups().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        assert_eq!(kept, ["3\n", "4\n"]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn old_files_go_by_age() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let old = folder.path().join("audit-2020-01-01T00-00-00.000000Z.log");
        let file = fs::File::create(&old).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(2)).unwrap();
        sink(&path, 0, 0);
        assert!(!old.exists());
    }

    #[test]
    fn half_a_line_of_a_process_that_died_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        fs::write(&path, "{\"half").unwrap();
        sink(&path, 0, 0).append(b"{}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"half\n{}\n");
    }

    #[test]
    fn what_cannot_be_written_comes_back_as_whole_lines() {
        let settings =
            Settings { path: "/dev/full".into(), max_size: Size(0), max_backups: 0, max_age: Period::secs(0) };
        let mut sink = FileSink::open(&settings).unwrap();
        let unwritten = sink.append(b"a\nb\n").unwrap_err();
        assert_eq!(unwritten.rest, b"a\nb\n");
    }
}
