//! The formats of texts that Kubernetes checks: `k8s.io/kube-openapi/pkg/validation/strfmt` and apiextensions-apiserver's
//! `pkg/apiserver/validation/formats.go`.

mod address;

use std::sync::LazyLock;

use regex::Regex;

use crate::duration;

/// A format of texts. All others are not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// 24 hexadecimal digits.
    BsonObjectId,
    /// Absolute, or an absolute path.
    Uri,
    /// With or without the person's name.
    Email,
    /// By RFC 1034, letters of all scripts.
    Hostname,
    /// Dotted, leading zeros allowed.
    Ipv4,
    /// With colons.
    Ipv6,
    /// Address and length of the prefix.
    Cidr,
    /// 6, 8 or 20 bytes.
    Mac,
    /// Of any version.
    Uuid,
    /// Version 3.
    Uuid3,
    /// Version 4.
    Uuid4,
    /// Version 5.
    Uuid5,
    /// Either length.
    Isbn,
    /// 10 digits.
    Isbn10,
    /// 13 digits.
    Isbn13,
    /// With a valid sum.
    CreditCard,
    /// Of the United States.
    Ssn,
    /// `#fff`, `ffffff`.
    HexColor,
    /// `rgb(1,2,3)`.
    RgbColor,
    /// Base64 with padding.
    Byte,
    /// Any text.
    Password,
    /// `2006-01-02`.
    Date,
    /// Of Go or of Scala.
    Duration,
    /// By RFC 3339.
    DateTime,
    /// A DNS label in lower case.
    ShortName,
    /// A DNS subdomain in lower case.
    LongName,
}

impl Format {
    /// The format of that name; dashes do not count.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name.replace('-', "").as_str() {
            "bsonobjectid" => Self::BsonObjectId,
            "uri" => Self::Uri,
            "email" => Self::Email,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "cidr" => Self::Cidr,
            "mac" => Self::Mac,
            "uuid" => Self::Uuid,
            "uuid3" => Self::Uuid3,
            "uuid4" => Self::Uuid4,
            "uuid5" => Self::Uuid5,
            "isbn" => Self::Isbn,
            "isbn10" => Self::Isbn10,
            "isbn13" => Self::Isbn13,
            "creditcard" => Self::CreditCard,
            "ssn" => Self::Ssn,
            "hexcolor" => Self::HexColor,
            "rgbcolor" => Self::RgbColor,
            "byte" => Self::Byte,
            "password" => Self::Password,
            "date" => Self::Date,
            "duration" => Self::Duration,
            "datetime" => Self::DateTime,
            "k8sshortname" => Self::ShortName,
            "k8slongname" => Self::LongName,
            _ => return None,
        })
    }

    /// Whether a text is of the format.
    pub fn accepts(self, text: &str) -> bool {
        match self {
            Self::BsonObjectId => text.len() == 24 && hexadecimal(text),
            Self::Uri => address::is_uri(text),
            Self::Email => address::is_email(text),
            Self::Hostname => {
                HOSTNAME.is_match(text) && text.len() <= 255 && text.split('.').all(|label| label.len() <= 63)
            }
            Self::Ipv4 => text.contains('.') && address::is_ip(text),
            Self::Ipv6 => text.contains(':') && address::is_ip(text),
            Self::Cidr => address::is_cidr(text),
            Self::Mac => address::is_mac(text),
            Self::Uuid => is_uuid(text, None),
            Self::Uuid3 => is_uuid(text, Some('3')),
            Self::Uuid4 => is_uuid(text, Some('4')),
            Self::Uuid5 => is_uuid(text, Some('5')),
            Self::Isbn => is_isbn10(text) || is_isbn13(text),
            Self::Isbn10 => is_isbn10(text),
            Self::Isbn13 => is_isbn13(text),
            Self::CreditCard => is_credit_card(text),
            Self::Ssn => text.len() == 11 && SSN.is_match(text),
            Self::HexColor => {
                let digits = text.strip_prefix('#').unwrap_or(text);
                matches!(digits.len(), 3 | 6) && hexadecimal(digits)
            }
            Self::RgbColor => RGB_COLOR.is_match(text),
            Self::Byte => is_base64(text),
            Self::Password => true,
            Self::Date => is_date(text),
            Self::Duration => is_duration(text),
            Self::DateTime => is_date_time(text),
            Self::ShortName => is_short_name(text, 63),
            Self::LongName => text.len() <= 253 && text.split('.').all(|label| is_short_name(label, 253)),
        }
    }
}

/// An expression of this file; one that does not compile matches nothing, which the tests would show.
fn expression(pattern: &str) -> Regex {
    #[expect(clippy::unwrap_used, reason = "a constant; each is used in a test")]
    Regex::new(pattern).unwrap()
}

static HOSTNAME: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$",
    )
});

static SSN: LazyLock<Regex> = LazyLock::new(|| expression("^[0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4}$"));

static RGB_COLOR: LazyLock<Regex> = LazyLock::new(|| {
    let number = r"\s*(0|[1-9][0-9]?|1[0-9][0-9]?|2[0-4][0-9]|25[0-5])\s*";
    expression(&format!(r"^rgb\({number},{number},{number}\)$"))
});

static CREDIT_CARD: LazyLock<Regex> = LazyLock::new(|| {
    expression(
        "^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11})$",
    )
});

static SCALA_DURATION: LazyLock<Regex> = LazyLock::new(|| expression(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)"));

fn hexadecimal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let mut rest = text;
    for length in [8, 4, 4, 4, 12] {
        if length != 8 {
            rest = rest.strip_prefix('-').unwrap_or(rest);
        }
        match rest.split_at_checked(length) {
            Some((digits, after)) if hexadecimal(digits) => rest = after,
            _ => return false,
        }
    }
    let digit = |index: usize| text.chars().filter(|&character| character != '-').nth(index);
    let variant = || matches!(digit(16), Some('8' | '9' | 'a' | 'b' | 'A' | 'B'));
    rest.is_empty()
        && match version {
            None => true,
            Some('3') => digit(12) == Some('3'),
            version => digit(12) == version && variant(),
        }
}

fn without_spaces_and_dashes(text: &str) -> Vec<u32> {
    let kept = text.chars().filter(|character| !matches!(character, '\t' | '\n' | '\u{c}' | '\r' | ' ' | '-'));
    // Letters get a number that no digit has; X counts ten.
    kept.map(|character| character.to_digit(10).unwrap_or(if character == 'X' { 10 } else { 99 })).collect()
}

fn is_isbn10(text: &str) -> bool {
    let digits = without_spaces_and_dashes(text);
    let well_formed =
        digits.len() == 10 && digits.iter().enumerate().all(|(at, &digit)| digit < 10 || (digit == 10 && at == 9));
    well_formed && (1..).zip(&digits).map(|(weight, digit): (u32, _)| weight * digit).sum::<u32>() % 11 == 0
}

fn is_isbn13(text: &str) -> bool {
    let digits = without_spaces_and_dashes(text);
    let well_formed = digits.len() == 13 && digits.iter().all(|&digit| digit < 10);
    well_formed
        && [1, 3].iter().cycle().zip(&digits).map(|(weight, digit): (&u32, _)| weight * digit).sum::<u32>() % 10 == 0
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let sum = digits.bytes().rev().enumerate().map(|(at, digit)| {
        let digit = u32::from(digit - b'0');
        let doubled = digit * 2;
        if at % 2 == 0 { digit } else { doubled / 10 + doubled % 10 }
    });
    CREDIT_CARD.is_match(&digits) && sum.sum::<u32>() % 10 == 0
}

fn is_base64(text: &str) -> bool {
    let digits = text.strip_suffix("==").or_else(|| text.strip_suffix('=')).unwrap_or(text);
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && digits.len() % 4 != 1
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else { return false };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    bytes.len() == 10 && bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-') && (1..=days).contains(&day)
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let two = |at: usize, most: u32| {
        let digits = time.get(at..at + 2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|digits| digits.parse::<u32>().ok()).is_some_and(|number| number <= most)
    };
    let colons = time.get(2..3) == Some(":") && time.get(5..6) == Some(":");
    let Some(rest) = time.get(8..).filter(|_| colons && two(0, 23) && two(3, 59) && two(6, 59)) else { return false };
    // Any one character may stand where the point should.
    let mut after = rest.chars();
    after.next();
    let fraction = after.as_str();
    let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
    is_date(date) && (is_zone(rest) || (digits > 0 && fraction.get(digits..).is_some_and(is_zone)))
}

fn is_zone(text: &str) -> bool {
    match text.as_bytes() {
        [b'z'] => true,
        [b'+' | b'-', hours @ .., b':', a, b] => hours.len() == 2 && hours.iter().chain([a, b]).all(u8::is_ascii_digit),
        _ => false,
    }
}

fn is_duration(text: &str) -> bool {
    const EXACT: [&str; 11] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"];
    const PREFIXES: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    if duration::check_go(text).is_ok() {
        return true;
    }
    let mut known = false;
    for found in SCALA_DURATION.captures_iter(text) {
        let (_, [number, unit]) = found.extract();
        if number.parse::<i64>().is_err() {
            return false;
        }
        let unit = unit.to_lowercase();
        known |= EXACT.contains(&unit.as_str()) || PREFIXES.iter().any(|prefix| unit.starts_with(prefix));
    }
    known
}

fn is_short_name(text: &str, most: usize) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(letter) && text.bytes().next_back().is_some_and(letter);
    ends && text.len() <= most && text.bytes().all(|byte| letter(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_takes_what_kubernetes_takes() {
        for (name, good, bad) in [
            (
                "bsonobjectid",
                &["507f1f77bcf86cd799439011"][..],
                &["507f1f77bcf86cd79943901", "x07f1f77bcf86cd799439011"][..],
            ),
            (
                "uri",
                &[
                    "http://foo.bar/#com",
                    "http://foobar.中文网/",
                    "mailto:a@b.c",
                    "/abs/dir",
                    "xyz://foobar.com",
                    "http://u:p@h:80/",
                ],
                &["", "foobar.com", ".com", "./rel", "http://a b/", "http://x:y/", "http://x/%zz"],
            ),
            (
                "email",
                &["a@b.com", "Barry Gibbs <bg@example.com>", "\"a b\"@c.d"],
                &["", "a", "a@", "@b.com", "a b@c.d"],
            ),
            ("hostname", &["example.com", "a", "foo-bar.example.com", "münchen.de"], &["", "-a", "a..b", "a_b"]),
            ("ipv4", &["1.2.3.4", "010.001.0.1"], &["1.2.3", "1.2.3.256", "::1", "1.2.3.4.5"]),
            ("ipv6", &["::1", "2001:db8::1", "::ffff:1.2.3.4"], &["1.2.3.4", "::g", "fe80::1%eth0"]),
            ("cidr", &["1.2.3.0/24", "::/0", "01.2.3.4/8"], &["1.2.3.4", "1.2.3.4/33", "::/129", "1.2.3.4/+8", "/8"]),
            (
                "mac",
                &["01:23:45:67:89:ab", "01-23-45-67-89-AB-CD-EF", "0123.4567.89ab"],
                &["01:23:45:67:89", "01:23-45:67:89:ab"],
            ),
            (
                "uuid",
                &["a8098c1a-f86e-11da-bd1a-00112444be1e", "A8098C1AF86E11DABD1A00112444BE1E"],
                &["a8098c1a", "g8098c1a-f86e-11da-bd1a-00112444be1e"],
            ),
            ("uuid3", &["bcd02e22-68f0-3046-a512-327cca9def8f"], &["bcd02e22-68f0-4046-a512-327cca9def8f"]),
            ("uuid4", &["025b0d74-00a2-4048-bf57-227c5111bb34"], &["025b0d74-00a2-4048-0f57-227c5111bb34"]),
            ("uuid5", &["886313e1-3b8a-5372-9b90-0c9aee199e5d"], &["886313e1-3b8a-4372-9b90-0c9aee199e5d"]),
            ("isbn", &["0321751043", "978-0321751041", "3 401 01319 X"], &["", "836217463"]),
            ("isbn10", &["1-61729-085-8"], &["978-3836221191", "3423214121"]),
            ("isbn13", &["978-4-87311-368-5"], &["3-8362-2119-5", "9784873113686"]),
            ("creditcard", &["4220 8554 2622 2389", "374953669708156"], &["", "4220855426213389"]),
            ("ssn", &["111-11-1111", "111 11 1111"], &["111111111", "11-111-1111"]),
            ("hexcolor", &["#FFFFFF", "fff"], &["#ff", "ggg"]),
            (
                "rgbcolor",
                &["rgb(0,31,255)", "rgb(0,  31, 255)"],
                &["rgb(1,349,275)", "rgb(01,31,255)", "rgba(0,31,255)"],
            ),
            ("byte", &["aGk=", "aGVsbG8h", "YQ=="], &["", "a", "aGk", "aG=k", "a==="]),
            ("password", &["", "x"], &[]),
            (
                "date",
                &["2006-01-02", "2024-02-29"],
                &["2006-1-2", "2023-02-29", "2006-13-01", "20060102", "2006-01-02T"],
            ),
            (
                "date-time",
                &[
                    "2014-12-15T19:30:20.000Z",
                    "2014-12-15t19:30:20z",
                    "2011-08-18T19:03:37.123+01:00",
                    "2014-12-15T19:30:20,5Z",
                ],
                &["2014-12-15T19:30:20", "2014-12-15", "2014-12-15T24:00:00Z", "2014-12-15 19:30:20Z", "yada"],
            ),
            ("duration", &["1h30m", "-1.5s", "0", "22 ns", "3 weeks", "1d", "5 mins"], &["", "1", "abc", "1 year"]),
            ("k8s-short-name", &["a", "a-1"], &["", "A", "-a", "a.b"]),
            ("k8s-long-name", &["a.b-c", "a"], &["", "a..b", "a.B", ".a"]),
        ] {
            let format = Format::parse(name).unwrap();
            for text in good {
                assert!(format.accepts(text), "{name} should take {text:?}");
            }
            for text in bad {
                assert!(!format.accepts(text), "{name} should not take {text:?}");
            }
        }
    }
}
