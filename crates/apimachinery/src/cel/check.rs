//! The types of expressions, and with them what they may cost.

mod unify;

use std::sync::Arc;

use super::ast::{ACCUMULATOR, Expr, Fold, Kind};
use super::cost::{self, Argument, Span};
use super::eval::qualified;
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
    /// What the schema declares of it, where it is a part of the object.
    pub(super) decl: Option<Arc<Decl>>,
    /// How large it is, where that is known.
    size: Option<Span>,
    /// How large keys and values are, or items in second place.
    entries: Option<(Span, Span)>,
    pub(super) cost: Span,
}

impl Known {
    fn of(ty: Type, cost: Span) -> Self {
        let size = ty.is_scalar().then_some(Span::ONE);
        Self { ty, decl: None, size, entries: None, cost }
    }

    fn declared(decl: &Arc<Decl>, cost: Span) -> Self {
        Self { ty: decl.ty(), decl: Some(Arc::clone(decl)), size: Some(Span::up_to(decl.most)), entries: None, cost }
    }

    fn span(&self) -> Span {
        self.size.unwrap_or(Span::UNKNOWN)
    }

    fn argument<'a>(&'a self, expression: &Expr) -> Argument<'a> {
        let declared = self.decl.as_ref().and_then(|decl| decl.element()).map(|item| Span::up_to(item.most));
        let number = match expression.kind {
            Kind::Int(value) => Some(value),
            _ => None,
        };
        Argument { ty: &self.ty, size: self.size, item: declared.or(self.entries.map(|(_, item)| item)), number }
    }

    /// What a loop's variables are: key or index, and value or item.
    fn range(&self) -> Option<(Self, Self)> {
        let entries = self.entries;
        let sized = |ty: &Type, size: Option<Span>| {
            let mut known = Self::of(ty.clone(), Span::ZERO);
            known.size = known.size.or(size);
            known
        };
        let element = self.decl.as_ref().and_then(|decl| decl.element());
        let value = |ty: &Type| match &element {
            Some(element) => Self::declared(element, Span::ZERO),
            None => sized(ty, entries.map(|(_, value)| value)),
        };
        match &self.ty {
            Type::List(item) => Some((Self::of(Type::Int, Span::ZERO), value(item))),
            Type::Map(key, item) => {
                let key = match &element {
                    Some(_) => Self::declared(&Decl::key(), Span::ZERO),
                    None => sized(key, entries.map(|(key, _)| key)),
                };
                Some((key, value(item)))
            }
            ty if ty.is_open() => Some((sized(&Type::Dyn, None), sized(&Type::Dyn, None))),
            _ => None,
        }
    }
}

/// Checks expressions over the same variables.
pub(super) struct Checker {
    scope: Vec<(String, Known)>,
    problems: Vec<Problem>,
}

impl Checker {
    pub(super) fn new(variables: Vec<(&str, Type, Arc<Decl>)>) -> Self {
        let variables = variables.into_iter().map(|(name, ty, decl)| {
            let mut known = Known::declared(&decl, Span::ONE);
            if matches!(ty, Type::Optional(_)) {
                known.decl = None;
            }
            known.ty = ty;
            (name.to_owned(), known)
        });
        Self { scope: variables.collect(), problems: Vec::new() }
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
            Kind::And(terms) => self.junction(expression.at, "_&&_", terms),
            Kind::Or(terms) => self.junction(expression.at, "_||_", terms),
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
                // Any name counts as a path into the object, and this one leads to its root.
                let size =
                    self.scope.first().and_then(|(_, known)| known.decl.as_ref()).map(|decl| Span::up_to(decl.most));
                Known { size, ..Known::of(Type::Meta, Span::ONE) }
            }
            _ => self.problem(at, format!("undeclared reference to '{name}' (in container '')")),
        }
    }

    /// A field of a value, whose cost is still that of the value.
    fn field(&mut self, at: u32, operand: &Known, name: &str) -> Known {
        let known = match &operand.ty {
            Type::Object(decl) => decl.field(name).map(|field| Known::declared(&field, operand.cost)),
            Type::Map(_, value) => match operand.decl.as_ref().and_then(|decl| decl.element()) {
                Some(element) => Some(Known::declared(&element, operand.cost)),
                None => Some(Known::of((**value).clone(), operand.cost)),
            },
            Type::Optional(inner) => {
                let inner = Known { ty: (**inner).clone(), ..operand.clone() };
                let field = self.field(at, &inner, name);
                return Known { ty: chained(field.ty.clone()), ..field };
            }
            ty if ty.is_open() => Some(Known::of(Type::Dyn, operand.cost)),
            other => {
                let message = format!("type '{other}' does not support field selection");
                return self.problem(at, message);
            }
        };
        match known {
            Some(known) => known,
            None => self.problem(at, format!("undefined field '{name}'")),
        }
    }

    fn select(&mut self, at: u32, operand: &Expr, field: &str, optional: bool) -> Known {
        if qualified(operand, field).is_some() {
            return Known::of(Type::Meta, Span::ONE);
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
        let inner = Known { ty: container.clone(), ..operand.clone() };
        let fits = match &container {
            Type::List(_) => matches!(index.ty, Type::Int) || index.ty.is_open(),
            Type::Map(key, _) => Bindings::default().fits(key, &index.ty),
            ty => ty.is_open(),
        };
        if !fits {
            let name = if optional { "_[?_]" } else { "_[_]" };
            let message =
                format!("found no matching overload for '{name}' applied to '({}, {})'", operand.ty, index.ty);
            return self.problem(at, message);
        }
        let mut known = inner.range().map_or_else(|| Known::of(Type::Dyn, cost), |(_, value)| value);
        known.cost = cost;
        if optional || chain {
            known.ty = chained(known.ty);
        }
        known
    }

    fn junction(&mut self, at: u32, name: &str, terms: &[Expr]) -> Known {
        let terms: Vec<Known> = terms.iter().map(|term| self.known(term)).collect();
        let mut cost = Span::ZERO;
        let mut before = Type::Bool;
        for (index, term) in terms.iter().enumerate() {
            if !matches!(term.ty, Type::Bool) && !term.ty.is_open() {
                let (left, right) = match terms.get(1) {
                    Some(second) if index == 0 => (&term.ty, &second.ty),
                    _ => (&before, &term.ty),
                };
                let message = format!("found no matching overload for '{name}' applied to '({left}, {right})'");
                return self.problem(at, message);
            }
            // The first one may decide.
            cost = if index == 0 {
                term.cost
            } else {
                Span { min: cost.min, max: cost.max.saturating_add(term.cost.max) }
            };
            before = term.ty.clone();
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
            decl: None,
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
            decl: None,
            size: Some(Span::fixed(size)),
            entries: Some((Span::ONE, item_size.unwrap_or(Span::ZERO))),
            cost,
        }
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
            decl: None,
            size: Some(Span::fixed(size)),
            entries: Some(sizes.unwrap_or((Span::ZERO, Span::ZERO))),
            cost,
        }
    }

    fn fold(&mut self, fold: &Fold) -> Known {
        let range = self.known(&fold.range);
        let start = self.known(&fold.start);
        let Some((key, value)) = range.range() else {
            let message = format!(
                "expression of type '{}' cannot be range of a comprehension (must be list, map, or dynamic)",
                range.ty
            );
            return self.problem(fold.range.at, message);
        };
        let depth = self.scope.len();
        self.scope.push((ACCUMULATOR.to_owned(), start.clone()));
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
        if let Some((_, accumulator)) = self.scope.last_mut() {
            // What a list or map holds is known once there was a step.
            accumulator.ty = step.ty.clone();
        }
        let result = self.known(&fold.result);
        self.scope.truncate(depth);
        let loops = range.span().times(step.cost.plus(condition.cost));
        let cost = range.cost.plus(start.cost).plus(result.cost).plus(loops);
        let collects = matches!(fold.start.kind, Kind::List(_) | Kind::Map(_));
        Known {
            size: if collects { Some(range.span()) } else { Known::of(result.ty.clone(), cost).size.or(start.size) },
            entries: if collects { step.entries } else { None },
            decl: None,
            ty: result.ty,
            cost,
        }
    }

    fn call(&mut self, expression: &Expr, target: Option<&Expr>, name: &str, arguments: &[Expr]) -> Known {
        let expressions: Vec<&Expr> = target.into_iter().chain(arguments).collect();
        let known: Vec<Known> = expressions.iter().map(|argument| self.known(argument)).collect();
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
