//! What an expression may cost at most, before it ever ran: cel-go's `checker/cost.go` and `k8s.io/apiserver/pkg/cel/library/cost.go`.

use super::types::Type;

/// A range of sizes or costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Span {
    pub(super) const UNKNOWN: Self = Self { min: 0, max: u64::MAX };
    pub(super) const ZERO: Self = Self::fixed(0);
    pub(super) const ONE: Self = Self::fixed(1);

    pub(super) const fn fixed(value: u64) -> Self {
        Self { min: value, max: value }
    }

    pub(super) const fn up_to(max: u64) -> Self {
        Self { min: 0, max }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    pub(super) const fn times(self, other: Self) -> Self {
        Self { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Multiplied by `numerator` and divided by `denominator`, rounded up.
    const fn scaled(self, numerator: u64, denominator: u64) -> Self {
        Self { min: scale(self.min, numerator, denominator), max: scale(self.max, numerator, denominator) }
    }

    /// The cost of going through a text of this size.
    pub(super) const fn traversed(self) -> Self {
        self.scaled(1, 10)
    }
}

const fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    if value == u64::MAX && numerator >= denominator {
        u64::MAX
    } else {
        value.saturating_mul(numerator).div_ceil(denominator)
    }
}

/// An argument of a call, as costs depend on it.
#[derive(Clone, Copy)]
pub(super) struct Argument<'a> {
    pub(super) ty: &'a Type,
    pub(super) size: Option<Span>,
    /// The size of a list's items, where known.
    pub(super) item: Option<Span>,
    /// The value, where it stands there as a number.
    pub(super) number: Option<i64>,
}

impl Argument<'_> {
    fn span(self) -> Span {
        self.size.unwrap_or(Span::UNKNOWN)
    }
}

/// The cost of a call without that of its arguments, and the size of its result, where known.
pub(super) fn call(name: &str, method: bool, arguments: &[Argument<'_>]) -> (Span, Option<Span>) {
    let size = |index: usize| arguments.get(index).map_or(Span::UNKNOWN, |argument| argument.span());
    let kind = |index: usize| arguments.get(index).map(|argument| argument.ty);
    let first = size(0);
    let number = |index: usize| arguments.get(index).and_then(|argument| u64::try_from(argument.number?).ok());
    let is_text = |index: usize| matches!(kind(index), Some(Type::Text | Type::Bytes));
    match name {
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" | "includes" => match arguments.first() {
            Some(argument) => match argument.ty {
                Type::List(item) => {
                    let texts = matches!(**item, Type::Text | Type::Bytes);
                    let each = if texts {
                        Span::ONE.plus(argument.item.unwrap_or(Span::UNKNOWN).traversed())
                    } else {
                        Span::ONE
                    };
                    (first.times(each), None)
                }
                _ if name == "includes" => (first, None),
                _ => (first.traversed(), None),
            },
            None => (Span::ONE, None),
        },
        "url" | "jsonpatch.escapeKey" | "lowerAscii" | "upperAscii" | "substring" | "trim" => {
            (first.traversed(), Some(first))
        }
        "replace" => (first.scaled(2, 10), Some(replaced(first, size(1), size(2)))),
        "split" => (first.scaled(2, 10), Some(Span::up_to(number(2).unwrap_or(first.max)))),
        "join" => {
            let item = arguments.first().and_then(|argument| argument.item).unwrap_or(Span::UNKNOWN);
            let mut joined = first.times(item);
            if arguments.len() > 1 {
                let gaps = Span { min: first.min.saturating_sub(1), max: first.max.saturating_sub(1) };
                joined = joined.plus(size(1).times(gaps));
            }
            (joined.traversed(), Some(joined))
        }
        "matches" | "find" | "findAll" => {
            let cost = first.plus(Span::ONE).traversed().times(size(1).scaled(1, 4));
            (cost, (name != "matches").then_some(Span::up_to(first.max)))
        }
        "check" if method => (Span::fixed(350_000), None),
        "ip" if method => (Span::ONE, None),
        "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver" => {
            (first.traversed(), None)
        }
        "ip.isCanonical" => (first.scaled(2, 10), None),
        "containsIP" | "containsCIDR" => {
            let bytes = Span { min: 4, max: 16 };
            let mut cost = bytes.plus(bytes).traversed();
            if name == "containsCIDR" {
                cost = cost.plus(bytes.traversed()).plus(Span::ONE);
            }
            (if is_text(1) { cost.plus(size(1).traversed()) } else { cost }, None)
        }
        "validate" => (size(1).traversed().scaled(32, 1), None),
        "format" => (first.traversed(), None),
        "bytes" if is_text(0) => (first.traversed(), Some(Span { min: first.min, max: first.max.saturating_mul(4) })),
        "string" if matches!(kind(0), Some(Type::Bytes)) => {
            (first.traversed(), Some(Span { min: first.min / 4, max: first.max }))
        }
        "strings.quote" => {
            let size = Span { min: first.min.saturating_add(2), max: first.max.saturating_mul(2).saturating_add(2) };
            (first.traversed(), Some(size))
        }
        "startsWith" | "endsWith" => (size(1).traversed(), None),
        "contains" => (first.traversed().times(size(1).traversed()), None),
        "@in" if matches!(kind(1), Some(Type::List(_) | Type::Dyn)) => (size(1), None),
        "_==_" | "_!=_" if matches!(kind(0), Some(Type::Opaque(_))) => (Span::ONE, None),
        "_==_" | "_!=_" => (compared(first, size(1)), None),
        "_<_" | "_<=_" | "_>_" | "_>=_" if is_text(0) => (compared(first, size(1)), None),
        "_+_" => added(arguments, first, size(1)),
        "sets.contains" | "sets.intersects" => (first.times(size(1)).plus(Span::ONE), None),
        "sets.equivalent" => (first.times(size(1)).scaled(2, 1).plus(Span::ONE), None),
        "sort" => squared(arguments.first()),
        "@sortByAssociatedKeys" => squared(arguments.get(1)),
        "distinct" => listed(first.times(first).scaled(2, 1), first.times(first)),
        "reverse" if !is_text(0) => listed(first, first),
        "flatten" => {
            let depth = if arguments.len() > 1 { number(1).unwrap_or(u64::MAX) } else { 1 };
            listed(first.scaled(depth, 1), first)
        }
        "slice" => {
            let length = number(2).unwrap_or(first.max).saturating_sub(number(1).unwrap_or(0));
            listed(Span::fixed(length), Span::fixed(length))
        }
        "lists.range" => {
            let length = Span::fixed(number(0).unwrap_or(u64::MAX));
            listed(length, length)
        }
        _ => (Span::ONE, None),
    }
}

/// A call that makes a list.
fn listed(cost: Span, size: Span) -> (Span, Option<Span>) {
    (cost.plus(Span::fixed(11)), Some(size))
}

/// The cost of comparing all items of a list with each other.
fn squared(list: Option<&Argument<'_>>) -> (Span, Option<Span>) {
    let size = list.map_or(Span::UNKNOWN, |list| list.span());
    let texts =
        matches!(list.map(|list| list.ty), Some(Type::List(item)) if matches!(**item, Type::Text | Type::Bytes));
    let pairs = size.times(size);
    listed(if texts { pairs.scaled(21, 10) } else { pairs.scaled(2, 1) }, pairs)
}

/// Two values are compared as far as the shorter one goes.
fn compared(a: Span, b: Span) -> Span {
    let max = a.max.min(b.max);
    Span { min: u64::from(max > 0), max }.traversed()
}

fn added(arguments: &[Argument<'_>], a: Span, b: Span) -> (Span, Option<Span>) {
    let sum = a.plus(b);
    match arguments.iter().map(|argument| argument.ty).find(|ty| !ty.is_open()) {
        Some(Type::List(_)) => (Span::ONE, Some(sum)),
        Some(Type::Text | Type::Bytes) => (sum.traversed(), Some(sum)),
        // Any of the overloads may be meant.
        None => (Span::ONE.union(sum.traversed()), Some(sum)),
        Some(_) => (Span::ONE, None),
    }
}

/// The size of a text in which some was replaced.
fn replaced(text: Span, from: Span, to: Span) -> Span {
    let (mut count, mut kept) = (Span::ZERO, Span::ZERO);
    if from.min == 0 {
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        count.max = text.max.div_ceil(from.min);
    }
    if from.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        count.min = text.min.div_ceil(from.max);
    }
    count.times(to).plus(kept)
}
