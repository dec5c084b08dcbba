//! Expressions of CEL.

use super::eval::Patterns;
use crate::schema::pattern;

/// An expression, and where it stands in its source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Expr {
    /// Byte offset of what an error about it points to.
    pub(super) at: u32,
    /// How deep the tree below it is, itself included.
    pub(super) depth: u32,
    pub(super) kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Ident(String),
    /// `operand.field`, `operand.?field`.
    Select {
        operand: Box<Expr>,
        field: String,
        optional: bool,
    },
    /// `has(operand.field)`.
    Has {
        operand: Box<Expr>,
        field: String,
    },
    /// `operand[index]`, `operand[?index]`.
    Index {
        operand: Box<Expr>,
        index: Box<Expr>,
        optional: bool,
    },
    /// A function or method; operators have names such as `_+_`.
    Call {
        target: Option<Box<Expr>>,
        name: String,
        arguments: Vec<Expr>,
    },
    /// `a && b && c`.
    And(Vec<Expr>),
    /// `a || b || c`.
    Or(Vec<Expr>),
    /// `condition ? yes : no`.
    Conditional(Box<[Expr; 3]>),
    /// Items, and which of them stand only where they are there: `[?x]`.
    List(Vec<(Expr, bool)>),
    /// Keys, values, and which entries stand only where they are there.
    Map(Vec<(Expr, Expr, bool)>),
    /// What a macro such as `all` becomes.
    Fold(Box<Fold>),
}

/// A loop over a list's items or a map's keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fold {
    pub(super) range: Expr,
    pub(super) variable: String,
    /// The second variable of macros with two: the item or value, the first being the index or key.
    pub(super) second: Option<String>,
    /// The variable that the steps change; one with a name of its own is a name for a value, and there are no steps.
    pub(super) accumulator: String,
    pub(super) start: Expr,
    /// Whether to go on, asked before each step.
    pub(super) condition: Expr,
    pub(super) step: Expr,
    pub(super) result: Expr,
}

/// The variable that a fold's steps change; no source can name it.
pub(super) const ACCUMULATOR: &str = "@result";

impl Expr {
    pub(super) fn new(at: u32, kind: Kind) -> Self {
        let mut expression = Self { at, depth: 0, kind };
        let mut deepest = 0;
        expression.parts(|part| deepest = deepest.max(part.depth));
        expression.depth = deepest + 1;
        expression
    }

    pub(super) fn call(at: u32, name: &str, arguments: Vec<Self>) -> Self {
        Self::new(at, Kind::Call { target: None, name: name.to_owned(), arguments })
    }

    pub(super) fn ident(at: u32, name: &str) -> Self {
        Self::new(at, Kind::Ident(name.to_owned()))
    }

    /// Calls `visit` with each direct part.
    pub(super) fn parts<'a>(&'a self, mut visit: impl FnMut(&'a Self)) {
        match &self.kind {
            Kind::Select { operand, .. } | Kind::Has { operand, .. } => visit(operand),
            Kind::Index { operand, index, .. } => {
                visit(operand);
                visit(index);
            }
            Kind::Call { target, arguments, .. } => {
                target.as_deref().into_iter().chain(arguments).for_each(visit);
            }
            Kind::And(terms) | Kind::Or(terms) => terms.iter().for_each(visit),
            Kind::Conditional(parts) => parts.iter().for_each(visit),
            Kind::List(items) => items.iter().for_each(|(item, _)| visit(item)),
            Kind::Map(entries) => entries.iter().for_each(|(key, value, _)| {
                visit(key);
                visit(value);
            }),
            Kind::Fold(fold) => {
                [&fold.range, &fold.start, &fold.condition, &fold.step, &fold.result].into_iter().for_each(visit);
            }
            _ => {}
        }
    }

    /// Compiles the regular expressions that `matches` is given as they are.
    pub(super) fn patterns(&self, into: &mut Patterns) {
        if let Kind::Call { name, arguments, .. } = &self.kind
            && let ("matches", Some(Self { kind: Kind::Text(pattern), .. })) = (name.as_str(), arguments.last())
            && let Ok(compiled) = pattern::compile(pattern)
        {
            into.insert(pattern.clone(), compiled);
        }
        self.parts(|part| part.patterns(into));
    }

    /// Whether a free variable of that name is read.
    pub(super) fn reads(&self, name: &str) -> bool {
        if let Kind::Fold(fold) = &self.kind {
            let accumulated = fold.accumulator == name;
            let bound = accumulated || fold.variable == name || fold.second.as_deref() == Some(name);
            let inner = !bound && (fold.condition.reads(name) || fold.step.reads(name));
            let result = !accumulated && fold.result.reads(name);
            return inner || result || fold.range.reads(name) || fold.start.reads(name);
        }
        let mut found = matches!(&self.kind, Kind::Ident(ident) if ident == name);
        self.parts(|part| found = found || part.reads(name));
        found
    }
}
