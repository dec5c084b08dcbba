//! Times as Go reads them: `metav1.Time` and `metav1.MicroTime`.

use apimachinery::json::go_kind;
use jiff::Timestamp;
use serde_json::Value;

/// How exact a time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `metav1.Time`.
    Seconds,
    /// `metav1.MicroTime`, which asks for all six digits.
    Micros,
}

/// The parts of a time, and how many digits each has; none is the character itself.
const PARTS: &[(&str, usize)] = &[
    ("2006", 4),
    ("-", 0),
    ("01", 2),
    ("-", 0),
    ("02", 2),
    ("T", 0),
    ("15", 2),
    (":", 0),
    ("04", 2),
    (":", 0),
    ("05", 2),
];

/// Brings a time into the form that it is written in.
///
/// # Errors
/// It is none, in the words of Go's `time.Parse`.
pub fn read(kind: Kind, value: &mut Value) -> Result<(), String> {
    let Value::String(text) = value else {
        return Err(format!("json: cannot unmarshal {} into Go value of type string", go_kind(value)));
    };
    check(kind, text)?;
    let (layout, name) = match kind {
        Kind::Seconds => ("%Y-%m-%dT%H:%M:%SZ", "2006-01-02T15:04:05Z07:00"),
        Kind::Micros => ("%Y-%m-%dT%H:%M:%S.%6fZ", "2006-01-02T15:04:05.000000Z07:00"),
    };
    let time: Timestamp = text.parse().map_err(|_| format!("parsing time {text:?} as {name:?}: day out of range"))?;
    *text = time.strftime(layout).to_string();
    Ok(())
}

/// Finds the first part that is not there.
fn check(kind: Kind, text: &str) -> Result<(), String> {
    let layout = match kind {
        Kind::Seconds => "2006-01-02T15:04:05Z07:00",
        Kind::Micros => "2006-01-02T15:04:05.000000Z07:00",
    };
    let refuse =
        |rest: &str, part: &str| Err(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}"));
    let mut rest = text;
    for (part, digits) in PARTS {
        let taken = match digits {
            0 => rest.strip_prefix(part),
            digits => rest
                .get(..*digits)
                .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|_| rest.get(*digits..)),
        };
        match taken {
            Some(taken) => rest = taken,
            None => return refuse(rest, part),
        }
    }
    let fraction = rest.strip_prefix('.').map(|digits| digits.bytes().take_while(u8::is_ascii_digit).count());
    match (kind, fraction) {
        (Kind::Micros, Some(6)) | (Kind::Seconds, None | Some(1..)) => {}
        (Kind::Micros, _) => return refuse(rest, ".000000"),
        (Kind::Seconds, Some(0)) => return refuse(rest, "Z07:00"),
    }
    let zone = fraction.map_or(rest, |digits| rest.get(digits + 1..).unwrap_or_default());
    let is_offset = zone.len() == 6
        && zone.starts_with(['+', '-'])
        && zone
            .bytes()
            .enumerate()
            .skip(1)
            .all(|(at, byte)| if at == 3 { byte == b':' } else { byte.is_ascii_digit() });
    if zone == "Z" || is_offset { Ok(()) } else { refuse(zone, "Z07:00") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kind: Kind, text: &str) -> Result<String, String> {
        let mut value = Value::from(text);
        read(kind, &mut value).map(|()| value.as_str().unwrap().to_owned())
    }

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(words(Kind::Seconds, "2026-01-01T01:00:00.25+01:00").unwrap(), "2026-01-01T00:00:00Z");
        assert_eq!(words(Kind::Micros, "2026-01-01T01:00:00.250000+01:00").unwrap(), "2026-01-01T00:00:00.250000Z");
    }

    #[test]
    fn what_is_no_time_is_told_at_its_first_wrong_part() {
        let part = |kind, text| words(kind, text).unwrap_err().split(": ").last().unwrap().to_owned();
        assert_eq!(part(Kind::Seconds, "now"), "cannot parse \"now\" as \"2006\"");
        assert_eq!(part(Kind::Seconds, "2026-01-01 00:00:00Z"), "cannot parse \" 00:00:00Z\" as \"T\"");
        assert_eq!(part(Kind::Micros, "2026-01-01T00:00:00.5Z"), "cannot parse \".5Z\" as \".000000\"");
        assert_eq!(part(Kind::Micros, "2026-01-01T00:00:00Z"), "cannot parse \"Z\" as \".000000\"");
        assert_eq!(part(Kind::Seconds, "2026-01-01T00:00:00"), "cannot parse \"\" as \"Z07:00\"");
    }
}
