//! The `Accept` header, read and ordered as `github.com/munnerz/goautoneg` does for kube-apiserver.

/// One alternative of an `Accept` header.
#[derive(Debug)]
pub(super) struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

/// What the parameters of a clause ask for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'a> {
    /// Whether a conversion is asked for: any of `as`, `g`, `v`.
    pub(super) convert: bool,
    pub(super) kind: &'a str,
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) stream: &'a str,
    pub(super) server_version: &'a str,
    pub(super) pretty: bool,
}

/// The alternatives, the preferred first.
pub(super) fn parse(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(clause).collect();
    // Kubernetes' order is not transitive (more quality, or no wildcard where the other has one), so how it is sorted
    // matters: by insertion, as Go's sort does for a dozen elements and fewer.
    for end in 1..clauses.len() {
        for at in (1..=end).rev() {
            if !clauses.get(at).zip(clauses.get(at - 1)).is_some_and(|(this, before)| this.precedes(before)) {
                break;
            }
            clauses.swap(at, at - 1);
        }
    }
    clauses
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.trim_matches(' ').split(';');
    let mut media = parts.next().unwrap_or_default().split('/');
    let kind = media.next().unwrap_or_default().trim_matches(' ');
    let subtype = match (media.next().unwrap_or_default(), media.next().unwrap_or_default()) {
        ("", _) if kind == "*" => "*",
        ("", _) => return None,
        (subtype, "") => subtype.trim_matches(' '),
        _ => return None,
    };
    let mut clause = Clause { kind, subtype, quality: 1.0, parameters: Vec::new() };
    for part in parts {
        let mut sides = part.split('=');
        let (name, value) = (sides.next().unwrap_or_default().trim_matches(' '), sides.next().unwrap_or_default());
        if value.is_empty() || sides.next().is_some_and(|more| !more.is_empty()) {
            continue;
        }
        if name == "q" {
            clause.quality = value.parse().unwrap_or_default();
        } else {
            clause.parameters.push((name, value.trim_matches(' ')));
        }
    }
    Some(clause)
}

impl<'a> Clause<'a> {
    fn precedes(&self, other: &Self) -> bool {
        self.quality > other.quality
            || (self.kind != "*" && other.kind == "*")
            || (self.subtype != "*" && other.subtype == "*")
    }

    /// Whether it covers a media type.
    pub(super) fn takes(&self, media: &str) -> bool {
        let (kind, subtype) = media.split_once('/').unwrap_or((media, ""));
        match (self.kind, self.subtype) {
            ("*", "*") => true,
            (own, "*") => own == kind,
            own => own == (kind, subtype),
        }
    }

    pub(super) fn wanted(&self) -> Wanted<'a> {
        let mut wanted = Wanted::default();
        for (name, value) in self.parameters.iter().copied() {
            match name {
                "as" => wanted.kind = value,
                "g" => wanted.group = value,
                "v" => wanted.version = value,
                "stream" => wanted.stream = value,
                "sv" => wanted.server_version = value,
                "pretty" => wanted.pretty = value == "1",
                _ => {}
            }
            wanted.convert |= matches!(name, "as" | "g" | "v");
        }
        wanted
    }
}
