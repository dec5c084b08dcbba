//! Macros: `has`, `all`, `exists` and their kin.

use super::Problem;
use crate::cel::ast::{ACCUMULATOR, Expr, Fold, Kind};

/// A function call, or what the macro of that name becomes.
pub(super) fn function(at: u32, name: String, mut arguments: Vec<Expr>) -> Result<Expr, Problem> {
    if name != "has" || arguments.len() != 1 {
        return Ok(Expr::new(at, Kind::Call { target: None, name, arguments }));
    }
    match arguments.pop() {
        Some(Expr { kind: Kind::Select { operand, field, optional: false }, .. }) => {
            Ok(Expr::new(at, Kind::Has { operand, field }))
        }
        other => {
            let at = other.map_or(at, |argument| argument.at);
            Err(Problem { at, message: "invalid argument to has() macro".to_owned() })
        }
    }
}

/// A method call, or what the macro of that name becomes.
pub(super) fn method(at: u32, target: Expr, name: String, arguments: Vec<Expr>) -> Result<Expr, Problem> {
    let count = arguments.len();
    let two = matches!(
        (name.as_str(), count),
        ("all" | "exists" | "exists_one" | "existsOne", 3)
            | ("transformList" | "transformMap" | "transformMapEntry", 3 | 4)
    );
    let one = matches!(
        (name.as_str(), count),
        ("all" | "exists" | "exists_one" | "existsOne" | "filter" | "optMap" | "optFlatMap", 2) | ("map", 2 | 3)
    );
    let sort_by = name == "sortBy" && count == 2;
    if !one && !two && !sort_by {
        // Namespaced functions have no receiver: `sets.contains(a, b)`.
        return Ok(match &target.kind {
            Kind::Ident(space) if is_namespaced(space, &name) => {
                Expr::new(at, Kind::Call { target: None, name: format!("{space}.{name}"), arguments })
            }
            _ => Expr::new(at, Kind::Call { target: Some(Box::new(target)), name, arguments }),
        });
    }
    let mut arguments = arguments.into_iter();
    let variable = variable(arguments.next())?;
    let second = if two { Some(self::variable(arguments.next())?) } else { None };
    if second.as_ref() == Some(&variable) {
        return Err(Problem { at, message: format!("duplicate variable name: {variable}") });
    }
    let bodies: Vec<Expr> = arguments.collect();
    if name.starts_with("opt") {
        return Ok(optional(at, &name, &target, &variable, bodies));
    }
    if sort_by {
        return Ok(sorted(at, target, &variable, bodies));
    }
    Ok(Expr::new(at, Kind::Fold(Box::new(fold(at, &name, target, variable, second, bodies)))))
}

fn is_namespaced(space: &str, name: &str) -> bool {
    matches!(
        (space, name),
        ("sets", "contains" | "equivalent" | "intersects")
            | ("optional", "of" | "none" | "ofNonZeroValue")
            | ("ip", "isCanonical")
            | ("lists", "range")
            | ("strings", "quote")
            | (
                "format",
                "named"
                    | "dns1123Label"
                    | "dns1123Subdomain"
                    | "dns1035Label"
                    | "qualifiedName"
                    | "dns1123LabelPrefix"
                    | "dns1123SubdomainPrefix"
                    | "dns1035LabelPrefix"
                    | "labelValue"
                    | "uri"
                    | "uuid"
                    | "byte"
                    | "date"
                    | "datetime"
            )
    )
}

fn variable(argument: Option<Expr>) -> Result<String, Problem> {
    match argument {
        Some(Expr { kind: Kind::Ident(name), .. }) => Ok(name),
        other => {
            let at = other.map_or(0, |argument| argument.at);
            Err(Problem { at, message: "argument must be a simple name".to_owned() })
        }
    }
}

fn fold(at: u32, name: &str, range: Expr, variable: String, second: Option<String>, bodies: Vec<Expr>) -> Fold {
    let accumulator = || Expr::ident(at, ACCUMULATOR);
    let boolean = |value| Expr::new(at, Kind::Bool(value));
    let call = |name: &str, arguments: Vec<Expr>| Expr::call(at, name, arguments);
    let filtered = bodies.len() == 2;
    let mut bodies = bodies.into_iter();
    let first = bodies.next().unwrap_or_else(|| boolean(true));
    let last = bodies.next();
    // What is kept where there is no condition for it, and the condition.
    let (kept, when) = match last {
        Some(kept) => (kept, Some(first.clone())),
        None => (first.clone(), None),
    };
    let listed = |item: Expr| call("_+_", vec![accumulator(), Expr::new(at, Kind::List(vec![(item, false)]))]);
    let chosen = |when: Option<Expr>, step: Expr| match when {
        Some(when) => Expr::new(at, Kind::Conditional(Box::new([when, step, accumulator()]))),
        None => step,
    };
    let empty_list = || Expr::new(at, Kind::List(Vec::new()));
    let empty_map = || Expr::new(at, Kind::Map(Vec::new()));
    let (start, condition, step, result) = match name {
        "all" => (
            boolean(true),
            call("@not_strictly_false", vec![accumulator()]),
            Expr::new(at, Kind::And(vec![accumulator(), first])),
            accumulator(),
        ),
        "exists" => (
            boolean(false),
            call("@not_strictly_false", vec![call("!_", vec![accumulator()])]),
            Expr::new(at, Kind::Or(vec![accumulator(), first])),
            accumulator(),
        ),
        "exists_one" | "existsOne" => {
            let number = |value| Expr::new(at, Kind::Int(value));
            let counted = call("_+_", vec![accumulator(), number(1)]);
            (number(0), boolean(true), chosen(Some(first), counted), call("_==_", vec![accumulator(), number(1)]))
        }
        "filter" => {
            let item = Expr::ident(at, &variable);
            (empty_list(), boolean(true), chosen(Some(first), listed(item)), accumulator())
        }
        "transformMap" => {
            let key = Expr::ident(at, &variable);
            let step = call("cel.@mapInsert", vec![accumulator(), key, kept]);
            (empty_map(), boolean(true), chosen(when.filter(|_| filtered), step), accumulator())
        }
        "transformMapEntry" => {
            let step = call("cel.@mapInsert", vec![accumulator(), kept]);
            (empty_map(), boolean(true), chosen(when.filter(|_| filtered), step), accumulator())
        }
        // `map` and `transformList`.
        _ => (empty_list(), boolean(true), chosen(when.filter(|_| filtered), listed(kept)), accumulator()),
    };
    let accumulator = ACCUMULATOR.to_owned();
    Fold { range, variable, second, accumulator, start, condition, step, result }
}

/// A value given a name: the accumulator of a loop over nothing.
fn bound(at: u32, variable: &str, value: Expr, body: Expr) -> Expr {
    Expr::new(
        at,
        Kind::Fold(Box::new(Fold {
            range: Expr::new(at, Kind::List(Vec::new())),
            variable: "#unused".to_owned(),
            second: None,
            accumulator: variable.to_owned(),
            start: value,
            condition: Expr::new(at, Kind::Bool(false)),
            step: Expr::new(at, Kind::Null),
            result: body,
        })),
    )
}

/// `x.optMap(v, f)`: nothing stays nothing.
fn optional(at: u32, name: &str, target: &Expr, variable: &str, bodies: Vec<Expr>) -> Expr {
    let call = |target: &Expr, name: &str| {
        let kind = Kind::Call { target: Some(Box::new(target.clone())), name: name.to_owned(), arguments: Vec::new() };
        Expr::new(at, kind)
    };
    let body = bodies.into_iter().next().unwrap_or_else(|| Expr::new(at, Kind::Null));
    let body = bound(at, variable, call(target, "value"), body);
    let some = if name == "optMap" { Expr::call(at, "optional.of", vec![body]) } else { body };
    let none = Expr::call(at, "optional.none", Vec::new());
    Expr::new(at, Kind::Conditional(Box::new([call(target, "hasValue"), some, none])))
}

/// `x.sortBy(v, key)`.
fn sorted(at: u32, target: Expr, variable: &str, bodies: Vec<Expr>) -> Expr {
    const INPUT: &str = "@__sortBy_input__";
    let input = || Expr::ident(at, INPUT);
    let keys = Expr::new(at, Kind::Fold(Box::new(fold(at, "map", input(), variable.to_owned(), None, bodies))));
    let name = "@sortByAssociatedKeys".to_owned();
    let call = Expr::new(at, Kind::Call { target: Some(Box::new(input())), name, arguments: vec![keys] });
    bound(at, INPUT, target, call)
}
