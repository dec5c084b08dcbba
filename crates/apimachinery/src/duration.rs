//! Durations as Go writes them: `1h30m`, `-1.5s`, `0`.

use std::fmt::Write as _;

/// Nanoseconds of each unit of Go's `time` package; both signs for micro.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
/// One more than the longest duration, in nanoseconds.
const MOST: u128 = 1 << 63;

/// Whether Go's `time.ParseDuration` reads a text.
///
/// # Errors
/// Go's words for what is wrong.
pub fn check_go(text: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut sum = 0_u128;
    while !rest.is_empty() {
        let (whole, after) = split(rest, |next| !next.is_ascii_digit());
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split(after, |next| !next.is_ascii_digit()),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let (unit, after) = split(after, |next| next == '.' || next.is_ascii_digit());
        if unit.is_empty() {
            return Err(format!("time: missing unit in duration {}", quote(text)));
        }
        let Some((_, nanoseconds)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("time: unknown unit {} in duration {}", quote(unit), quote(text)));
        };
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        // A fraction is less than one unit: whether it counts is a matter of the last nanosecond.
        let product = whole.checked_mul(u128::from(*nanoseconds)).filter(|product| *product <= MOST);
        sum += product.ok_or_else(invalid)?;
        if sum > MOST {
            return Err(invalid());
        }
        rest = after;
    }
    if sum == MOST && !negative { Err(invalid()) } else { Ok(()) }
}

fn split(text: &str, end: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at_checked(text.find(end).unwrap_or(text.len())).unwrap_or((text, ""))
}

/// `quote` of Go's `time` package: what is not printable ASCII as bytes.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='\u{7f}' => quoted.push(character),
            _ => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(quoted, "\\x{byte:02x}");
                }
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::check_go;

    #[test]
    fn a_duration_is_read_as_go_reads_it() {
        for good in ["0", "-0", "1s", "1h30m", "-1.5s", ".5s", "1.s", "3µs", "3μs", "2562047h47m16.854775807s"] {
            assert_eq!(check_go(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", r#"time: invalid duration """#),
            ("x", r#"time: invalid duration "x""#),
            ("-", r#"time: invalid duration "-""#),
            (".s", r#"time: invalid duration ".s""#),
            ("5", r#"time: missing unit in duration "5""#),
            ("1s5", r#"time: missing unit in duration "1s5""#),
            ("5q", r#"time: unknown unit "q" in duration "5q""#),
            ("5ä\"", r#"time: unknown unit "\xc3\xa4\"" in duration "5\xc3\xa4\"""#),
            ("2562048h", r#"time: invalid duration "2562048h""#),
        ] {
            assert_eq!(check_go(bad), Err(why.to_owned()), "{bad}");
        }
    }
}
