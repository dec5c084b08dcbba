//! Durations and timestamps.

use std::fmt::Write as _;

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

const SECOND: i64 = 1_000_000_000;

/// `2006-01-02`.
pub(super) fn date(text: &str) -> Option<Timestamp> {
    if text.len() != 10 {
        return None;
    }
    format!("{text}T00:00:00Z").parse().ok()
}

/// By RFC 3339.
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    if text.len() < 20 || !text.get(10..11).is_some_and(|mark| mark == "T" || mark == "t") {
        return None;
    }
    text.parse().ok()
}

pub(super) fn timestamp_text(time: Timestamp) -> String {
    time.to_string()
}

/// As Go reads it: `1h30m`, `-1.5s`, `0`.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
        let (number, after) = rest.split_at_checked(length)?;
        let length = after.find(|next: char| next.is_ascii_digit() || next == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(length)?;
        let unit: i64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => SECOND,
            "m" => 60 * SECOND,
            "h" => 3600 * SECOND,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        let mut scale = unit;
        for digit in fraction.chars() {
            scale /= 10;
            total = total.checked_add(i64::from(digit.to_digit(10)?) * scale)?;
        }
        rest = after;
    }
    Some(if negative { -total } else { total })
}

/// As `string(duration)` gives it: seconds.
pub(super) fn duration_text(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let size = nanoseconds.unsigned_abs();
    let mut text = format!("{sign}{}", size / SECOND.unsigned_abs());
    let fraction = size % SECOND.unsigned_abs();
    if fraction > 0 {
        // Writing to a string does not fail.
        let _ = write!(text, ".{fraction:09}");
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('s');
    text
}

/// A part of a timestamp, as the method of that name gives it. Zones: `UTC` and offsets such as `+02:00`; there is no table of names.
pub(super) fn part(time: Timestamp, method: &str, zone: Option<&str>) -> Option<i64> {
    let zoned = time.to_zoned(match zone {
        None | Some("" | "UTC") => TimeZone::UTC,
        Some(zone) => TimeZone::fixed(offset(zone)?),
    });
    part_of(&zoned, method)
}

fn part_of(time: &Zoned, method: &str) -> Option<i64> {
    Some(match method {
        "getFullYear" => time.year().into(),
        "getMonth" => i64::from(time.month()) - 1,
        "getDayOfYear" => i64::from(time.day_of_year()) - 1,
        "getDate" => time.day().into(),
        "getDayOfMonth" => i64::from(time.day()) - 1,
        "getDayOfWeek" => time.weekday().to_sunday_zero_offset().into(),
        "getHours" => time.hour().into(),
        "getMinutes" => time.minute().into(),
        "getSeconds" => time.second().into(),
        "getMilliseconds" => time.millisecond().into(),
        _ => return None,
    })
}

fn offset(text: &str) -> Option<Offset> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let seconds =
        hours.parse::<i32>().ok()?.checked_mul(3600)?.checked_add(minutes.parse::<i32>().ok()?.checked_mul(60)?)?;
    Offset::from_seconds(if negative { -seconds } else { seconds }).ok()
}

/// A part of a duration.
pub(super) fn duration_part(nanoseconds: i64, method: &str) -> Option<i64> {
    Some(match method {
        "getHours" => nanoseconds / (3600 * SECOND),
        "getMinutes" => nanoseconds / (60 * SECOND),
        "getSeconds" => nanoseconds / SECOND,
        "getMilliseconds" => nanoseconds / 1_000_000 % 1000,
        _ => return None,
    })
}

/// A timestamp some time later.
pub(super) fn later(time: Timestamp, nanoseconds: i64) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanosecond().checked_add(nanoseconds.into())?).ok()
}

/// The time from one timestamp to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Option<i64> {
    i64::try_from(to.as_nanosecond() - from.as_nanosecond()).ok()
}
