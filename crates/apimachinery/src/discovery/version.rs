use std::cmp::Ordering;

/// Which of two versions comes before: `v2` > `v1` > `v1beta2` > `v1beta1` > `v1alpha1` > all others, which stand in
/// the order of the alphabet. See `k8s.io/apimachinery/pkg/version/helpers.go`.
pub fn compare_versions(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => b.cmp(a),
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Alpha,
    Beta,
    Stable,
}

fn parse(version: &str) -> Option<(Stage, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    let (stage, major, minor) = if let Some((major, minor)) = rest.split_once("alpha") {
        (Stage::Alpha, major, number(minor)?)
    } else if let Some((major, minor)) = rest.split_once("beta") {
        (Stage::Beta, major, number(minor)?)
    } else {
        (Stage::Stable, rest, 0)
    };
    Some((stage, number(major)?, minor))
}

fn number(digits: &str) -> Option<u32> {
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_stand_in_kubernetes_order() {
        let ordered =
            ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10", "v1x"];
        let mut versions = ordered.to_vec();
        versions.reverse();
        versions.sort_by(|a, b| compare_versions(b, a));
        assert_eq!(versions, ordered);
        assert_eq!(compare_versions("v1", "v1"), Ordering::Equal);
    }
}
