//! The types of expressions, and with them what they may cost.

mod unify;

use std::sync::Arc;

use super::ast::{ACCUMULATOR, Expr, Fold, Kind};
use super::cost::{self, Argument, Span};
use super::eval::{is_request_resource, qualified};
use super::policy::REQUEST_RESOURCE;
use super::signatures::{Overload, overloads};
use super::source::Problem;
use super::time;
use super::types::{Decl, Type};
use crate::schema::pattern;

use self::unify::Bindings;

/// What is known of an expression.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) ty: Type,
    origin: Origin,
    /// How large it is, where that is known.
    size: Option<Span>,
    /// How large keys and values are, or items in second place.
    entries: Option<(Span, Span)>,
    pub(super) cost: Span,
}

/// Where a value comes from, as far as its size goes.
///
/// cel-go keeps a path for each expression, and its estimator reads a path that does not begin with a variable as if it began at the
/// object; a rule must not be refused by one and admitted by the other, so this is done here too.
#[derive(Clone, Debug)]
enum Origin {
    /// It was made by the expression.
    None,
    /// It is a part of the object.
    Part(Arc<Decl>),
    /// It is part of something that the schema does not tell apart: a value by its key.
    Lost,
}

impl Known {
    fn of(ty: Type, cost: Span) -> Self {
        let size = ty.is_scalar().then_some(Span::ONE);
        Self { ty, origin: Origin::None, size, entries: None, cost }
    }

    /// With its origin, which tells a size before all else does.
    fn with_origin(self, origin: Origin) -> Self {
        let size = match &origin {
            Origin::Part(decl) => Some(Span::up_to(decl.most)),
            _ => self.size,
        };
        Self { origin, size, ..self }
    }

    fn span(&self) -> Span {
        self.size.unwrap_or(Span::UNKNOWN)
    }

    fn argument<'a>(&'a self, expression: &Expr) -> Argument<'a> {
        let item = match &self.origin {
            Origin::Part(decl) => decl.element().map(|item| Span::up_to(item.most)),
            _ => None,
        };
        let number = match expression.kind {
            Kind::Int(value) => Some(value),
            _ => None,
        };
        Argument { ty: &self.ty, size: self.size, item, number }
    }

    /// Where what it holds comes from.
    fn inner(&self, root: &Arc<Decl>, step: impl FnOnce(&Decl) -> Option<Arc<Decl>>) -> Origin {
        match &self.origin {
            Origin::None => Origin::Part(Arc::clone(root)),
            Origin::Part(decl) => step(decl).map_or(Origin::Lost, Origin::Part),
            Origin::Lost => Origin::Lost,
        }
    }

    /// What a loop's variables are: key or index, and value or item.
    fn range(&self, root: &Arc<Decl>) -> Option<(Self, Self)> {
        let sized = |ty: &Type, size: Option<Span>, origin: Origin| {
            let known = Self::of(ty.clone(), Span::ZERO);
            Self { size: known.size.or(size), ..known }.with_origin(origin)
        };
        let (key, value) = (self.entries.map(|(key, _)| key), self.entries.map(|(_, value)| value));
        let element = self.inner(root, Decl::element);
        Some(match &self.ty {
            Type::List(item) => (sized(&Type::Int, key, self.inner(root, |_| None)), sized(item, value, element)),
            Type::Map(name, item) => {
                let keys = self.inner(root, |decl| decl.element().map(|_| Decl::key()));
                (sized(name, key, keys), sized(item, value, element))
            }
            ty if ty.is_open() => (sized(&Type::Dyn, key, Origin::Lost), sized(&Type::Dyn, value, Origin::Lost)),
            _ => return None,
        })
    }
}

/// Checks expressions over the same variables.
pub(super) struct Checker {
    root: Arc<Decl>,
    scope: Vec<(String, Known)>,
    problems: Vec<Problem>,
}

impl Checker {
    /// For an object that is declared so, with variables that are this object.
    pub(super) fn new(root: &Arc<Decl>, variables: Vec<(&str, Type)>) -> Self {
        let known = |ty| Known::of(ty, Span::ONE).with_origin(Origin::Part(Arc::clone(root)));
        let scope = variables.into_iter().map(|(name, ty)| (name.to_owned(), known(ty))).collect();
        Self { root: Arc::clone(root), scope, problems: Vec::new() }
    }

    /// What is known of an expression.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(super) fn check(mut self, expression: &Expr) -> Result<Known, Vec<Problem>> {
        let known = self.known(expression);
        if self.problems.is_empty() { Ok(known) } else { Err(self.problems) }
    }

    fn problem(&mut self, at: u32, message: impl Into<String>) -> Known {
        self.problems.push(Problem { at, message: message.into() });
        Known::of(Type::Dyn, Span::ZERO)
    }

    fn known(&mut self, expression: &Expr) -> Known {
        let literal =
            |ty: Type, size: usize| Known { size: Some(Span::fixed(size as u64)), ..Known::of(ty, Span::ZERO) };
        match &expression.kind {
            Kind::Null => literal(Type::Null, 1),
            Kind::Bool(_) => literal(Type::Bool, 1),
            Kind::Int(_) => literal(Type::Int, 1),
            Kind::Uint(_) => literal(Type::Uint, 1),
            Kind::Double(_) => literal(Type::Double, 1),
            Kind::Text(text) => literal(Type::Text, text.chars().count()),
            Kind::Bytes(bytes) => literal(Type::Bytes, bytes.len()),
            Kind::Ident(name) => self.ident(expression.at, name),
            Kind::Select { operand, field, optional } => self.select(expression.at, operand, field, *optional),
            Kind::Has { operand, field } => {
                let operand = self.known(operand);
                let cost = operand.cost;
                self.field(expression.at, &operand, field);
                Known::of(Type::Bool, cost)
            }
            Kind::Index { operand, index, optional } => self.index(expression.at, operand, index, *optional),
            Kind::Call { target, name, arguments } => self.call(expression, target.as_deref(), name, arguments),
            Kind::And(terms) | Kind::Or(terms) => self.junction(terms),
            Kind::Conditional(parts) => self.conditional(expression.at, parts),
            Kind::List(items) => self.list(items),
            Kind::Map(entries) => self.map(entries),
            Kind::Fold(fold) => self.fold(fold),
        }
    }

    fn ident(&mut self, at: u32, name: &str) -> Known {
        if let Some((_, known)) = self.scope.iter().rev().find(|(known, _)| known == name) {
            return Known { cost: Span::ONE, ..known.clone() };
        }
        match name {
            "bool" | "int" | "uint" | "double" | "string" | "bytes" | "list" | "map" | "null_type" | "type" => {
                self.meta()
            }
            _ => self.problem(at, format!("undeclared reference to '{name}' (in container '')")),
        }
    }

    /// A type, named.
    fn meta(&self) -> Known {
        Known::of(Type::Meta, Span::ONE).with_origin(Origin::Part(Arc::clone(&self.root)))
    }

    /// A field of a value, whose cost is still that of the value.
    fn field(&mut self, at: u32, operand: &Known, name: &str) -> Known {
        let ty = match &operand.ty {
            Type::Object(decl) => match decl.field(name) {
                Some(field) => field.ty(),
                None => return self.problem(at, format!("undefined field '{name}'")),
            },
            Type::Map(_, value) => (**value).clone(),
            Type::Optional(inner) => {
                let inner = Known { ty: (**inner).clone(), ..operand.clone() };
                let field = self.field(at, &inner, name);
                return Known { ty: chained(field.ty.clone()), ..field };
            }
            ty if ty.is_open() => Type::Dyn,
            // Types of Kubernetes' libraries, which cel-go takes for types with fields, and does not find.
            Type::Opaque(name) if name.starts_with("kubernetes.") => {
                return self.problem(at, format!("unexpected failed resolution of '{name}'"));
            }
            other => {
                let message = format!("type '{other}' does not support field selection");
                return self.problem(at, message);
            }
        };
        Known::of(ty, operand.cost).with_origin(operand.inner(&self.root, |decl| decl.field(name)))
    }

    fn select(&mut self, at: u32, operand: &Expr, field: &str, optional: bool) -> Known {
        if qualified(operand, field).is_some() {
            return self.meta();
        }
        if is_request_resource(operand, field)
            && let Some((_, known)) = self.scope.iter().find(|(known, _)| known == REQUEST_RESOURCE)
        {
            return Known { cost: Span::ONE, ..known.clone() };
        }
        let operand = self.known(operand);
        let mut known = self.field(at, &operand, field);
        if matches!(operand.ty, Type::Map(..) | Type::Object(_) | Type::Optional(_)) || optional {
            known.cost = known.cost.plus(Span::ONE);
        }
        if optional {
            known.ty = chained(known.ty);
        }
        known
    }

    fn index(&mut self, at: u32, operand: &Expr, index: &Expr, optional: bool) -> Known {
        let operand = self.known(operand);
        let index = self.known(index);
        let cost = operand.cost.plus(index.cost).plus(Span::ONE);
        let (container, chain) = match &operand.ty {
            Type::Optional(inner) => ((**inner).clone(), true),
            ty => (ty.clone(), false),
        };
        let item = match &container {
            Type::List(item) if matches!(index.ty, Type::Int) || index.ty.is_open() => Some((**item).clone()),
            Type::Map(key, value) if Bindings::default().fits(key, &index.ty) => Some((**value).clone()),
            ty if ty.is_open() => Some(Type::Dyn),
            _ => None,
        };
        let Some(item) = item else {
            let name = if optional { "_[?_]" } else { "_[_]" };
            let message =
                format!("found no matching overload for '{name}' applied to '({}, {})'", operand.ty, index.ty);
            return self.problem(at, message);
        };
        let mut known = Known::of(item, cost).with_origin(operand.inner(&self.root, Decl::element));
        if let Some((_, value)) = operand.entries {
            known.size = Some(value);
        }
        if optional || chain {
            known.ty = chained(known.ty);
        }
        known
    }

    fn junction(&mut self, terms: &[Expr]) -> Known {
        let mut cost = Span::ZERO;
        for (index, term) in terms.iter().enumerate() {
            let known = self.known(term);
            if !matches!(known.ty, Type::Bool) && !known.ty.is_open() {
                self.problem(term.at, format!("expected type 'bool' but found '{}'", known.ty));
            }
            // The first one may decide.
            let min = if index == 0 { known.cost.min } else { cost.min };
            cost = Span { min, max: cost.max.saturating_add(known.cost.max) };
        }
        Known::of(Type::Bool, cost)
    }

    fn conditional(&mut self, at: u32, parts: &[Expr; 3]) -> Known {
        let [condition, yes, no] = parts;
        let (condition, yes, no) = (self.known(condition), self.known(yes), self.known(no));
        let mut bindings = Bindings::default();
        let param = Type::Param('A');
        let bool = matches!(condition.ty, Type::Bool) || condition.ty.is_open();
        if !bool || !bindings.fits(&param, &yes.ty) || !bindings.fits(&param, &no.ty) {
            let message = format!(
                "found no matching overload for '_?_:_' applied to '({}, {}, {})'",
                condition.ty, yes.ty, no.ty
            );
            return self.problem(at, message);
        }
        let entries = yes.entries.zip(no.entries).map(|((a, b), (c, d))| (a.union(c), b.union(d)));
        Known {
            ty: bindings.filled(&param),
            origin: Origin::None,
            size: Some(yes.span().union(no.span())),
            entries,
            cost: condition.cost.plus(yes.cost.union(no.cost)),
        }
    }

    fn list(&mut self, items: &[(Expr, bool)]) -> Known {
        let mut bindings = Bindings::default();
        let param = Type::Param('A');
        let mut cost = Span::fixed(10);
        let mut item_size: Option<Span> = None;
        for (item, optional) in items {
            let known = self.known(item);
            cost = cost.plus(known.cost);
            item_size = Some(item_size.map_or(known.span(), |size| size.union(known.span())));
            let ty = if *optional { opened(&known.ty) } else { known.ty.clone() };
            if !bindings.fits(&param, &ty) {
                self.problem(item.at, format!("expected type '{}' but found '{ty}'", bindings.filled(&param)));
            }
        }
        let size = items.len() as u64;
        Known {
            ty: Type::list(bindings.filled(&param)),
            origin: Origin::None,
            size: Some(Span::fixed(size)),
            entries: Some((Span::ONE, item_size.unwrap_or(Span::ZERO))),
            cost,
        }
    }

    /// The arguments of `format`, the one list whose items may be of several types.
    fn mixed(&mut self, items: &[(Expr, bool)]) -> Known {
        let paid = items.iter().fold(Span::fixed(10), |sum, (item, _)| sum.plus(self.known(item).cost));
        Known { size: Some(Span::fixed(items.len() as u64)), ..Known::of(Type::list(Type::Dyn), paid) }
    }

    fn map(&mut self, entries: &[(Expr, Expr, bool)]) -> Known {
        let mut bindings = Bindings::default();
        let (key_type, value_type) = (Type::Param('A'), Type::Param('B'));
        let mut cost = Span::fixed(30);
        let mut sizes: Option<(Span, Span)> = None;
        for (key, value, optional) in entries {
            let (known_key, known) = (self.known(key), self.known(value));
            cost = cost.plus(known_key.cost).plus(known.cost);
            let (a, b) = (known_key.span(), known.span());
            sizes = Some(sizes.map_or((a, b), |(c, d)| (a.union(c), b.union(d))));
            let ty = if *optional { opened(&known.ty) } else { known.ty.clone() };
            for (at, param, ty) in [(key.at, &key_type, &known_key.ty), (value.at, &value_type, &ty)] {
                if !bindings.fits(param, ty) {
                    self.problem(at, format!("expected type '{}' but found '{ty}'", bindings.filled(param)));
                }
            }
        }
        let size = entries.len() as u64;
        Known {
            ty: Type::Map(Arc::new(bindings.filled(&key_type)), Arc::new(bindings.filled(&value_type))),
            origin: Origin::None,
            size: Some(Span::fixed(size)),
            entries: Some(sizes.unwrap_or((Span::ZERO, Span::ZERO))),
            cost,
        }
    }

    fn fold(&mut self, fold: &Fold) -> Known {
        let range = self.known(&fold.range);
        let start = self.known(&fold.start);
        let Some((key, value)) = range.range(&self.root) else {
            let message = format!(
                "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                range.ty
            );
            return self.problem(fold.range.at, message);
        };
        let depth = self.scope.len();
        self.scope.push((fold.accumulator.clone(), start.clone()));
        if let Some(second) = &fold.second {
            self.scope.push((fold.variable.clone(), key));
            self.scope.push((second.clone(), value));
        } else {
            let keyed = matches!(range.ty, Type::Map(..));
            self.scope.push((fold.variable.clone(), if keyed { key } else { value }));
        }
        let condition = self.known(&fold.condition);
        let step = self.known(&fold.step);
        self.scope.truncate(depth + 1);
        if let Some((_, accumulator)) = self.scope.last_mut().filter(|_| fold.accumulator == ACCUMULATOR) {
            // What a list or map holds is known once there was a step.
            accumulator.ty = step.ty.clone();
        }
        let result = self.known(&fold.result);
        self.scope.truncate(depth);
        if fold.accumulator != ACCUMULATOR {
            // A name for a value: there is no loop.
            return Known { cost: range.cost.plus(start.cost).plus(result.cost), ..result };
        }
        let loops = range.span().times(step.cost.plus(condition.cost));
        let cost = range.cost.plus(start.cost).plus(result.cost).plus(loops);
        let collects = matches!(fold.start.kind, Kind::List(_) | Kind::Map(_));
        Known {
            size: if collects { Some(range.span()) } else { Known::of(result.ty.clone(), cost).size.or(start.size) },
            entries: if collects { step.entries } else { None },
            origin: Origin::None,
            ty: result.ty,
            cost,
        }
    }

    fn call(&mut self, expression: &Expr, target: Option<&Expr>, name: &str, arguments: &[Expr]) -> Known {
        let expressions: Vec<&Expr> = target.into_iter().chain(arguments).collect();
        let known: Vec<Known> = expressions
            .iter()
            .map(|argument| match &argument.kind {
                Kind::List(items) if name == "format" => self.mixed(items),
                _ => self.known(argument),
            })
            .collect();
        let Some(overloads) = overloads(name, target.is_some()) else {
            return self.problem(expression.at, format!("undeclared reference to '{name}' (in container '')"));
        };
        self.literals(name, &expressions);
        let mut result: Option<Type> = None;
        for overload in overloads {
            if let Some(ty) = fits(overload, &known) {
                // Where more than one may be meant, and they differ, nothing is known.
                result = Some(match result {
                    Some(before) if before.to_string() != ty.to_string() => Type::Dyn,
                    _ => ty,
                });
            }
        }
        let Some(ty) = result else {
            let mut shown = known.iter().map(|argument| argument.ty.to_string());
            let receiver = if target.is_some() { shown.next().map(|ty| format!("{ty}.")) } else { None };
            let shown = format!("{}({})", receiver.unwrap_or_default(), shown.collect::<Vec<_>>().join(", "));
            let message = format!("found no matching overload for '{name}' applied to '{shown}'");
            return self.problem(expression.at, message);
        };
        let paid = known.iter().fold(Span::ZERO, |sum, argument| sum.plus(argument.cost));
        let arguments: Vec<Argument<'_>> =
            known.iter().zip(&expressions).map(|(known, expression)| known.argument(expression)).collect();
        let (cost, size) = cost::call(name, target.is_some(), &arguments);
        let mut made = Known::of(ty, cost.plus(paid));
        made.size = size.or(made.size);
        if let ("_+_", [a, b]) = (name, known.as_slice()) {
            made.entries = a.entries.zip(b.entries).map(|((a, b), (c, d))| (a.union(c), b.union(d))).or(b.entries);
        }
        if let ("dyn", [argument]) = (name, known.as_slice()) {
            made.size = argument.size;
            made.entries = argument.entries;
        }
        made
    }

    /// Arguments that stand there as texts must be what they are for.
    fn literals(&mut self, name: &str, arguments: &[&Expr]) {
        let Some(Expr { at, kind: Kind::Text(text), .. }) = arguments.last() else { return };
        let valid = match (name, arguments.len()) {
            ("matches", 2) => pattern::compile(text).is_ok(),
            ("duration", 1) => time::duration(text).is_some(),
            ("timestamp", 1) => time::timestamp(text).is_some(),
            _ => true,
        };
        if !valid {
            self.problem(*at, format!("invalid {name} argument"));
        }
    }
}

/// The result of an overload, where it takes the arguments.
fn fits(overload: &Overload, arguments: &[Known]) -> Option<Type> {
    if overload.parameters.len() != arguments.len() {
        return None;
    }
    let mut bindings = Bindings::default();
    let all =
        overload.parameters.iter().zip(arguments).all(|(parameter, argument)| bindings.fits(parameter, &argument.ty));
    all.then(|| bindings.filled(&overload.result))
}

/// An optional value of an optional one is one.
fn chained(ty: Type) -> Type {
    if matches!(ty, Type::Optional(_)) { ty } else { Type::optional(ty) }
}

/// What an optional value holds.
fn opened(ty: &Type) -> Type {
    match ty {
        Type::Optional(inner) => (**inner).clone(),
        other => other.clone(),
    }
}
