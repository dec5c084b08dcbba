//! The paths of a kind and what can be done there, the same for both versions of documents.

use serde_json::Value;

use super::{Kind, gvk};
use crate::discovery::Subresource;

/// A path with its operations.
pub(super) struct Item {
    pub(super) path: String,
    pub(super) parameters: Vec<&'static Parameter>,
    pub(super) operations: Vec<Operation>,
}

/// One operation.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) description: String,
    pub(super) id: String,
    pub(super) tag: String,
    pub(super) parameters: Vec<&'static Parameter>,
    pub(super) body: Option<Body>,
    /// Code, description and type of the answers.
    pub(super) responses: Vec<(u16, &'static str, String)>,
    /// The media types of answers.
    pub(super) produces: &'static [&'static str],
    /// `x-kubernetes-action` and `x-kubernetes-group-version-kind`.
    pub(super) action: Option<(&'static str, Value)>,
}

pub(super) struct Body {
    pub(super) type_name: String,
    pub(super) required: bool,
    pub(super) media: &'static [&'static str],
}

#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) kind: &'static str,
    pub(super) description: &'static str,
}

const fn query(name: &'static str, kind: &'static str, description: &'static str) -> Parameter {
    Parameter { name, place: "query", kind, description }
}

const NAME: Parameter = Parameter { name: "name", place: "path", kind: "string", description: "name of the object" };
const NAMESPACE: Parameter = Parameter {
    name: "namespace",
    place: "path",
    kind: "string",
    description: "object name and auth scope, such as for teams and projects",
};
const PRETTY: Parameter = query(
    "pretty",
    "string",
    "Whether the output is indented. Defaults to 'false', to 'true' for a browser or a command-line HTTP tool (curl and wget).",
);
const BOOKMARKS: Parameter =
    query("allowWatchBookmarks", "boolean", "Whether a watch may also tell the version that it has come to.");
const CONTINUE: Parameter = query("continue", "string", "What the previous part of a list gave to go on with.");
const DRY_RUN: Parameter = query("dryRun", "string", "'All': everything is done but to write.");
const FIELD_MANAGER: Parameter =
    query("fieldManager", "string", "The name of whoever makes the change; apply needs it.");
const FIELD_SELECTOR: Parameter = query("fieldSelector", "string", "Which objects, by their fields. Defaults to all.");
const FIELD_VALIDATION: Parameter = query(
    "fieldValidation",
    "string",
    "What becomes of unknown and duplicate fields: 'Ignore' drops them, 'Warn' (the default) also warns, 'Strict' refuses the request.",
);
const FORCE: Parameter = query("force", "boolean", "Whether apply takes fields from other managers.");
const GRACE: Parameter = query("gracePeriodSeconds", "integer", "How long the object may take to go.");
const IGNORE_READ_ERROR: Parameter = query(
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "boolean",
    "Whether an object that cannot be read any more is removed unsafely.",
);
const LABEL_SELECTOR: Parameter = query("labelSelector", "string", "Which objects, by their labels. Defaults to all.");
const LIMIT: Parameter = query("limit", "integer", "How many objects a part of a list has at most.");
const ORPHAN: Parameter = query("orphanDependents", "boolean", "Deprecated: use propagationPolicy.");
const PROPAGATION: Parameter =
    query("propagationPolicy", "string", "What becomes of dependents: 'Orphan', 'Background' or 'Foreground'.");
const VERSION: Parameter = query("resourceVersion", "string", "Which version is asked for.");
const VERSION_MATCH: Parameter = query("resourceVersionMatch", "string", "How resourceVersion is meant.");
const INITIAL: Parameter = query("sendInitialEvents", "boolean", "Whether a watch begins with all objects there are.");
const TIMEOUT: Parameter = query("timeoutSeconds", "integer", "How long the call may last.");
const WATCH: Parameter = query("watch", "boolean", "Whether changes are followed.");

static PARAMETERS: [Parameter; 21] = [
    NAME,
    NAMESPACE,
    PRETTY,
    BOOKMARKS,
    CONTINUE,
    DRY_RUN,
    FIELD_MANAGER,
    FIELD_SELECTOR,
    FIELD_VALIDATION,
    FORCE,
    GRACE,
    IGNORE_READ_ERROR,
    LABEL_SELECTOR,
    LIMIT,
    ORPHAN,
    PROPAGATION,
    VERSION,
    VERSION_MATCH,
    INITIAL,
    TIMEOUT,
    WATCH,
];

const LIST: &[&str] = &[
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
];
const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
const DELETE: &[&str] = &[
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "propagationPolicy",
];
const DELETE_COLLECTION: &[&str] = &[
    "continue",
    "dryRun",
    "fieldSelector",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "labelSelector",
    "limit",
    "orphanDependents",
    "propagationPolicy",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
];

fn parameters(names: &[&str]) -> Vec<&'static Parameter> {
    PARAMETERS.iter().filter(|parameter| names.contains(&parameter.name)).collect()
}

const ANY: &[&str] = &["*/*"];
const PLAIN: &[&str] = &["application/json", "application/yaml"];
const STREAM: &[&str] = &["application/json", "application/json;stream=watch", "application/yaml"];
const PATCHES: &[&str] =
    &["application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json"];
const BUILT_IN_PATCHES: &[&str] = &[
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const PATCH_TYPE: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// A document that a server tells of itself, such as the list of its groups.
pub(super) fn document(path: String, id: String, tag: String, description: &str, type_name: &str) -> Item {
    let operation = Operation {
        method: "get",
        description: description.to_owned(),
        id,
        tag,
        parameters: Vec::new(),
        body: None,
        responses: vec![(200, "OK", type_name.to_owned())],
        // The version has no other form.
        produces: if type_name.ends_with(".version.Info") { &["application/json"] } else { PLAIN },
        action: None,
    };
    Item { path, parameters: Vec::new(), operations: vec![operation] }
}

/// `CoreV1`, `RbacAuthorizationV1`, and the tag `core_v1`, `rbacAuthorization_v1`.
pub(super) fn group_names(group: &str, version: &str) -> (String, String) {
    let group = if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) };
    let parts: String = group.split(['.', '-']).map(capital).collect();
    let mut chars = parts.chars();
    let small = chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect::<String>();
    let tag = if version.is_empty() { small } else { format!("{small}_{version}") };
    (format!("{parts}{}", capital(version)), tag)
}

fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// The paths of a kind.
pub(super) fn of(kind: &Kind) -> Vec<Item> {
    Maker::new(kind).items()
}

struct Maker<'a> {
    kind: &'a Kind,
    names: String,
    tag: String,
    namespaced: &'static str,
    base: String,
}

impl<'a> Maker<'a> {
    fn new(kind: &'a Kind) -> Self {
        let resource = &kind.resource;
        let (names, tag) = group_names(&resource.group, &resource.version);
        let base = match &*resource.group {
            "" => format!("/api/{}", resource.version),
            group => format!("/apis/{group}/{}", resource.version),
        };
        Self { kind, names, tag, namespaced: if resource.namespaced { "Namespaced" } else { "" }, base }
    }

    fn items(&self) -> Vec<Item> {
        let resource = &self.kind.resource;
        let place = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("{}{place}/{}", self.base, resource.plural);
        let scope: &[&str] = if resource.namespaced { &["namespace", "pretty"] } else { &["pretty"] };
        let one: &[&str] = if resource.namespaced { &["name", "namespace", "pretty"] } else { &["name", "pretty"] };
        let mut items = vec![
            Item { path: collection.clone(), parameters: parameters(scope), operations: self.collection() },
            Item {
                path: format!("{collection}/{{name}}"),
                parameters: parameters(one),
                operations: self.object(&resource.verbs, "", &self.kind.type_name, &self.kind.gvk()),
            },
        ];
        if resource.namespaced && resource.verbs.contains(&"list") {
            items.push(Item {
                path: format!("{}/{}", self.base, resource.plural),
                parameters: parameters(&[LIST, &["pretty"]].concat()),
                operations: vec![self.list(format!("list{}{}ForAllNamespaces", self.names, resource.kind), Vec::new())],
            });
        }
        for subresource in &resource.subresources {
            items.push(Item {
                path: format!("{collection}/{{name}}/{}", subresource.name),
                parameters: parameters(one),
                operations: self.subresource(subresource),
            });
        }
        items.retain(|item| !item.operations.is_empty());
        items
    }

    fn id(&self, verb: &str, subresource: &str) -> String {
        format!("{verb}{}{}{}{}", self.names, self.namespaced, self.kind.resource.kind, capital(subresource))
    }

    fn operation(&self, method: &'static str, action: &'static str, id: String, description: String) -> Operation {
        Operation {
            method,
            description,
            id,
            tag: self.tag.clone(),
            parameters: Vec::new(),
            body: None,
            responses: Vec::new(),
            produces: PLAIN,
            action: Some((action, self.kind.gvk())),
        }
    }

    fn body(&self, type_name: &str, required: bool) -> Body {
        let media = if self.kind.resource.custom { PLAIN } else { ANY };
        Body { type_name: type_name.to_owned(), required, media }
    }

    fn list(&self, id: String, parameters: Vec<&'static Parameter>) -> Operation {
        let custom = self.kind.resource.custom;
        let words = if custom { "list objects of kind" } else { "list or watch objects of kind" };
        let mut list = self.operation("get", "list", id, format!("{words} {}", self.kind.resource.kind));
        list.parameters = parameters;
        list.produces = if custom { PLAIN } else { STREAM };
        list.responses = vec![(200, "OK", self.kind.list_type())];
        list
    }

    fn collection(&self) -> Vec<Operation> {
        let resource = &self.kind.resource;
        let mut operations = Vec::new();
        if resource.verbs.contains(&"list") {
            operations.push(self.list(self.id("list", ""), parameters(LIST)));
        }
        if resource.verbs.contains(&"create") {
            operations.push(self.create(self.id("create", ""), "", &self.kind.type_name, self.kind.gvk()));
        }
        if resource.verbs.contains(&"deletecollection") {
            let id = format!("delete{}Collection{}{}", self.names, self.namespaced, resource.kind);
            let mut delete =
                self.operation("delete", "deletecollection", id, format!("delete collection of {}", resource.kind));
            delete.parameters = parameters(DELETE_COLLECTION);
            delete.body = Some(self.body(DELETE_OPTIONS, false));
            delete.responses = vec![(200, "OK", STATUS.to_owned())];
            operations.push(delete);
        }
        operations
    }

    fn create(&self, id: String, subresource: &str, type_name: &str, gvk: Value) -> Operation {
        let of = if subresource.is_empty() { "a ".to_owned() } else { format!("{subresource} of a ") };
        let mut create = self.operation("post", "post", id, format!("create {of}{}", self.kind.resource.kind));
        create.parameters = parameters(WRITE);
        create.body = Some(self.body(type_name, true));
        create.responses = answers(&[(200, "OK"), (201, "Created"), (202, "Accepted")], type_name);
        create.action = Some(("post", gvk));
        create
    }

    fn object(&self, verbs: &[&str], subresource: &str, type_name: &str, gvk: &Value) -> Vec<Operation> {
        let resource = &self.kind.resource;
        let of = if subresource.is_empty() { String::new() } else { format!("{subresource} of ") };
        let specified = format!("{of}the specified {}", resource.kind);
        let mut operations = Vec::new();
        let mut add = |verb, method, action, operation_verb, words: String, change: &dyn Fn(&mut Operation)| {
            if verbs.contains(&verb) {
                let mut operation = self.operation(method, action, self.id(operation_verb, subresource), words);
                operation.action = Some((action, gvk.clone()));
                change(&mut operation);
                operations.push(operation);
            }
        };
        add("get", "get", "get", "read", format!("read {specified}"), &|read| {
            read.parameters = parameters(if resource.custom { &["resourceVersion"] } else { &[] });
            read.responses = answers(&[(200, "OK")], type_name);
        });
        add("update", "put", "put", "replace", format!("replace {specified}"), &|replace| {
            replace.parameters = parameters(WRITE);
            replace.body = Some(self.body(type_name, true));
            replace.responses = answers(&[(200, "OK"), (201, "Created")], type_name);
        });
        add("delete", "delete", "delete", "delete", format!("delete a {}", resource.kind), &|delete| {
            delete.parameters = parameters(DELETE);
            delete.body = Some(self.body(DELETE_OPTIONS, false));
            // Service accounts are the only ones here whose last state is the answer.
            let returned = !resource.custom && resource.kind == "ServiceAccount";
            delete.responses = answers(&[(200, "OK"), (202, "Accepted")], if returned { type_name } else { STATUS });
        });
        add("patch", "patch", "patch", "patch", format!("partially update {specified}"), &|patch| {
            patch.parameters = parameters(PATCH);
            let media = if resource.custom { PATCHES } else { BUILT_IN_PATCHES };
            patch.body = Some(Body { type_name: PATCH_TYPE.to_owned(), required: true, media });
            let codes: &[_] = if resource.custom { &[(200, "OK")] } else { &[(200, "OK"), (201, "Created")] };
            patch.responses = answers(codes, type_name);
        });
        operations
    }

    fn subresource(&self, subresource: &Subresource) -> Vec<Operation> {
        let name = &*subresource.name;
        let own = &self.kind.type_name;
        let other = self.kind.subresource_types.iter().find(|(of, _)| of == name);
        let type_name = other.map_or(own, |(_, type_name)| type_name);
        let gvk = match &subresource.group_version {
            Some((group, version)) if !self.kind.resource.custom => gvk(group, version, &subresource.kind),
            _ => self.kind.gvk(),
        };
        let mut operations = self.object(&subresource.verbs, name, type_name, &gvk);
        if subresource.verbs.contains(&"create") {
            operations.push(self.create(self.id("create", name), name, type_name, gvk));
        }
        operations
    }
}

fn answers(codes: &[(u16, &'static str)], type_name: &str) -> Vec<(u16, &'static str, String)> {
    codes.iter().map(|(code, description)| (*code, *description, type_name.to_owned())).collect()
}
