//! What expressions of a policy may name, and of which types it is.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::{Program, REQUEST_RESOURCE, Variable};
use crate::cel::ast::Expr;
use crate::cel::check::{Checker, Known};
use crate::cel::eval::Patterns;
use crate::cel::parse::parse;
use crate::cel::source::shown;
use crate::cel::types::{Decl, Shape, Type};
use crate::schema::Schema;

/// How deep expressions may lie in each other, with those of the variables that they read: each is evaluated while the one that reads
/// it waits.
const MAX_DEPTH: u32 = 200;

/// What there is besides the objects of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sees {
    /// `params`.
    pub params: bool,
    /// `authorizer`.
    pub authorizer: bool,
}

/// What an expression must give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// Yes or no.
    Bool,
    /// A text.
    Text,
    /// A text or null.
    TextOrNull,
    /// Anything.
    Anything,
}

impl Gives {
    fn takes(self, ty: &Type) -> bool {
        match self {
            Self::Bool => matches!(ty, Type::Bool),
            Self::Text => matches!(ty, Type::Text),
            Self::TextOrNull => matches!(ty, Type::Text | Type::Null),
            Self::Anything => true,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Bool => "must evaluate to bool",
            Self::Text => "must evaluate to string",
            Self::TextOrNull => "must evaluate to one of [string null_type]",
            Self::Anything => "",
        }
    }
}

/// Compiles the expressions of one policy.
#[derive(Debug)]
pub struct Compiler {
    /// The variables that were compiled so far; nothing where there are none at all.
    variables: Option<BTreeMap<String, (Arc<Decl>, u32)>>,
    object: Type,
    params: Type,
    /// Whether the type of what is given counts, and what is of the whole request can be named.
    strict: bool,
}

impl Compiler {
    /// For expressions that may read variables, all of which are told by [`Self::variable`] before.
    pub fn new() -> Self {
        Self { variables: Some(BTreeMap::new()), ..Self::without_variables() }
    }

    /// For expressions that read none.
    pub const fn without_variables() -> Self {
        Self { variables: None, object: Type::Dyn, params: Type::Dyn, strict: true }
    }

    /// Checks expressions against the types of the object and of the parameters, where these are known.
    pub fn typed(object: Option<&Schema>, params: Option<&Schema>) -> Self {
        let ty = |schema: Option<&Schema>| {
            schema.and_then(|schema| Decl::of(schema, false)).map_or(Type::Dyn, |decl| decl.ty())
        };
        Self { variables: Some(BTreeMap::new()), object: ty(object), params: ty(params), strict: false }
    }

    /// Compiles a variable, which the expressions after it may read also where it is wrong.
    pub fn variable(&mut self, name: &str, source: &str, sees: Sees) -> Variable {
        let compiled = self.known(source, sees);
        let (ty, depth) = compiled.as_ref().map_or((Type::Dyn, 0), |(_, known, depth)| (known.ty.clone(), *depth));
        if let Some(variables) = &mut self.variables {
            variables.insert(name.to_owned(), (Decl::of_type(&ty), depth));
        }
        let program = compiled.map(|(expression, ..)| program(source, expression));
        (name.to_owned(), program.map_err(|why| self.failed(&why)))
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// What cel-go says is wrong with it.
    pub fn compile(&self, source: &str, sees: Sees, gives: Gives) -> Result<Program, String> {
        let (expression, known, _) = self.known(source, sees).map_err(|why| self.failed(&why))?;
        if !gives.takes(&known.ty) {
            let ty = if matches!(known.ty, Type::Null) { "null_type".to_owned() } else { known.ty.to_string() };
            return Err(format!("{} but got {ty}", gives.words()));
        }
        Ok(program(source, expression))
    }

    fn failed(&self, why: &str) -> String {
        if self.strict { format!("compilation failed: {why}") } else { why.to_owned() }
    }

    /// The expression, what is known of it, and how deep it is with the variables that it reads.
    fn known(&self, source: &str, sees: Sees) -> Result<(Expr, Known, u32), String> {
        let expression = parse(source).map_err(|problems| shown(source, &problems))?;
        let mut named = vec![
            ("object", self.object.clone()),
            ("oldObject", self.object.clone()),
            ("request", REQUEST.ty()),
            ("namespaceObject", NAMESPACE.ty()),
        ];
        if sees.params {
            named.push(("params", self.params.clone()));
        }
        if sees.authorizer {
            named.push(("authorizer", Type::Opaque("kubernetes.authorization.Authorizer")));
            if self.strict {
                named.push((REQUEST_RESOURCE, Type::Opaque("kubernetes.authorization.ResourceCheck")));
            }
        }
        if let Some(variables) = &self.variables {
            let fields = variables.iter().map(|(name, (decl, _))| (name.clone(), Arc::clone(decl))).collect();
            named.push(("variables", Decl::object_of("kubernetes.variables", fields).ty()));
        }
        let checker = Checker::new(&REQUEST, named);
        let known = checker.check(&expression).map_err(|problems| shown(source, &problems))?;
        let mut deepest = 0;
        self.read(&expression, &mut deepest);
        let depth = expression.depth + deepest;
        if depth > MAX_DEPTH {
            return Err(format!("ERROR: <input>:1:1: expression recursion limit exceeded: {MAX_DEPTH}"));
        }
        Ok((expression, known, depth))
    }

    /// How deep the variables are that an expression reads.
    fn read(&self, expression: &Expr, deepest: &mut u32) {
        use crate::cel::ast::Kind;
        if let Kind::Select { operand, field, .. } = &expression.kind
            && matches!(&operand.kind, Kind::Ident(name) if name == "variables")
            && let Some((_, depth)) = self.variables.as_ref().and_then(|variables| variables.get(field))
        {
            *deepest = (*deepest).max(*depth);
        }
        expression.parts(|part| self.read(part, deepest));
    }
}

impl Default for Compiler {
    fn default() -> Self {
        Self::new()
    }
}

fn program(source: &str, expression: Expr) -> Program {
    let mut patterns = Patterns::new();
    expression.patterns(&mut patterns);
    Program { source: source.to_owned(), expression, patterns }
}

static REQUEST: LazyLock<Arc<Decl>> = LazyLock::new(|| {
    let text = Decl::simple(Shape::Text);
    let kind = object("kubernetes.GroupVersionKind", &[("group", &text), ("version", &text), ("kind", &text)]);
    let resource =
        object("kubernetes.GroupVersionResource", &[("group", &text), ("version", &text), ("resource", &text)]);
    let texts = Decl::simple(Shape::List(Arc::clone(&text)));
    let extra = Decl::simple(Shape::Map(Arc::clone(&texts)));
    let user =
        object("kubernetes.UserInfo", &[("username", &text), ("uid", &text), ("groups", &texts), ("extra", &extra)]);
    object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", &kind),
            ("resource", &resource),
            ("subResource", &text),
            ("requestKind", &kind),
            ("requestResource", &resource),
            ("requestSubResource", &text),
            ("name", &text),
            ("namespace", &text),
            ("operation", &text),
            ("userInfo", &user),
            ("dryRun", &Decl::simple(Shape::Bool)),
            ("options", &Decl::simple(Shape::Dyn)),
        ],
    )
});

static NAMESPACE: LazyLock<Arc<Decl>> = LazyLock::new(|| {
    let text = Decl::simple(Shape::Text);
    let (time, number) = (Decl::simple(Shape::Timestamp), Decl::simple(Shape::Int));
    let texts = Decl::simple(Shape::List(Arc::clone(&text)));
    let map = Decl::simple(Shape::Map(Arc::clone(&text)));
    let condition = object(
        "kubernetes.NamespaceCondition",
        &[("status", &text), ("type", &text), ("lastTransitionTime", &time), ("message", &text), ("reason", &text)],
    );
    let status = object(
        "kubernetes.NamespaceStatus",
        &[("conditions", &Decl::simple(Shape::List(condition))), ("phase", &text)],
    );
    let metadata = object(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", &text),
            ("generateName", &text),
            ("namespace", &text),
            ("labels", &map),
            ("annotations", &map),
            ("UID", &text),
            ("creationTimestamp", &time),
            ("deletionGracePeriodSeconds", &number),
            ("deletionTimestamp", &time),
            ("generation", &number),
            ("resourceVersion", &text),
            ("finalizers", &texts),
        ],
    );
    let spec = object("kubernetes.NamespaceSpec", &[("finalizers", &texts)]);
    object("kubernetes.Namespace", &[("metadata", &metadata), ("spec", &spec), ("status", &status)])
});

fn object(name: &'static str, fields: &[(&str, &Arc<Decl>)]) -> Arc<Decl> {
    Decl::object_of(name, fields.iter().map(|(name, decl)| ((*name).to_owned(), Arc::clone(decl))).collect())
}
