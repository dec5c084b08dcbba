//! Whether types go together.

use std::sync::Arc;

use crate::cel::types::Type;

/// What the open places of a signature turned out to be.
#[derive(Default)]
pub(super) struct Bindings {
    bound: Vec<(char, Type)>,
}

impl Bindings {
    /// Whether a parameter takes an argument.
    pub(super) fn fits(&mut self, parameter: &Type, argument: &Type) -> bool {
        if parameter.is_open() || (argument.is_open() && !matches!(parameter, Type::Param(_))) {
            return true;
        }
        match (parameter, argument) {
            (Type::Param(name), argument) => self.bind(*name, argument),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => self.fits(a, b),
            (Type::Map(a, b), Type::Map(c, d)) => self.fits(a, c) && self.fits(b, d),
            (Type::Object(a), Type::Object(b)) => Arc::ptr_eq(a, b),
            (Type::Opaque(a), Type::Opaque(b)) => a == b,
            (
                Type::Object(_) | Type::Opaque(_) | Type::Duration | Type::Timestamp | Type::Optional(_) | Type::Null,
                Type::Null,
            ) => true,
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }

    fn bind(&mut self, name: char, ty: &Type) -> bool {
        let Some(place) = self.bound.iter().position(|(bound, _)| *bound == name) else {
            self.bound.push((name, ty.clone()));
            return true;
        };
        let Some((_, known)) = self.bound.get(place).cloned() else { return false };
        let null_first = matches!(known, Type::Null) && self.fits(ty, &known);
        if !null_first && !self.fits(&known, ty) {
            return false;
        }
        // What is known better holds.
        let better = matches!(known, Type::Unbound | Type::Null) || openness(&known) > openness(ty);
        if let Some((_, bound)) = self.bound.get_mut(place).filter(|_| better && !matches!(ty, Type::Unbound)) {
            *bound = ty.clone();
        }
        true
    }

    /// A type with its open places filled.
    pub(super) fn filled(&self, ty: &Type) -> Type {
        match ty {
            Type::Param(name) => {
                let bound = self.bound.iter().find(|(bound, _)| bound == name);
                bound.map_or(Type::Unbound, |(_, ty)| ty.clone())
            }
            Type::List(item) => Type::list(self.filled(item)),
            Type::Optional(value) => Type::optional(self.filled(value)),
            Type::Map(key, value) => Type::Map(Arc::new(self.filled(key)), Arc::new(self.filled(value))),
            other => other.clone(),
        }
    }
}

/// How many places of a type are not known.
fn openness(ty: &Type) -> u32 {
    match ty {
        Type::Unbound => 1,
        Type::List(item) | Type::Optional(item) => openness(item),
        Type::Map(key, value) => openness(key) + openness(value),
        _ => 0,
    }
}
