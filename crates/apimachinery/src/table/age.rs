//! Ages as people read them: `k8s.io/apimachinery/pkg/util/duration`.

use jiff::{SignedDuration, Timestamp};

/// How long ago an RFC 3339 time was: `<unknown>` for none or Go's zero time, `<invalid>` for what is no time.
pub fn human_age(time: &str, now: Timestamp) -> String {
    if matches!(time, "" | "null" | "0001-01-01T00:00:00Z") {
        return "<unknown>".to_owned();
    }
    time.parse::<Timestamp>().map_or_else(|_| "<invalid>".to_owned(), |time| human_duration(now.duration_since(time)))
}

/// A duration in two or three figures: `3m`, `5h30m`, `2y40d`.
pub fn human_duration(duration: SignedDuration) -> String {
    const DAY: i64 = 24;
    const YEAR: i64 = 365 * DAY;
    let seconds = duration.as_secs();
    // Machines' clocks differ by a second or two.
    match seconds {
        ..-1 => return "<invalid>".to_owned(),
        -1 => return "0s".to_owned(),
        0..120 => return format!("{seconds}s"),
        _ => {}
    }
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (minutes, hours) {
        (..10, _) => pair(minutes, 'm', seconds % 60, 's'),
        (..180, _) => format!("{minutes}m"),
        (_, ..8) => pair(hours, 'h', minutes % 60, 'm'),
        (_, ..48) => format!("{hours}h"),
        (_, hours) if hours < 8 * DAY => pair(hours / DAY, 'd', hours % DAY, 'h'),
        (_, hours) if hours < 2 * YEAR => format!("{}d", hours / DAY),
        (_, hours) if hours < 8 * YEAR => pair(hours / YEAR, 'y', hours / DAY % 365, 'd'),
        (_, hours) => format!("{}y", hours / YEAR),
    }
}

fn pair(large: i64, large_unit: char, small: i64, small_unit: char) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_shows_them() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 60 * MINUTE;
        const DAY: i64 = 24 * HOUR;
        const YEAR: i64 = 365 * DAY;
        for (seconds, text) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (2 * MINUTE, "2m"),
            (9 * MINUTE + 59, "9m59s"),
            (10 * MINUTE + 1, "10m"),
            (3 * HOUR - 1, "179m"),
            (3 * HOUR, "3h"),
            (7 * HOUR + 59 * MINUTE, "7h59m"),
            (47 * HOUR + 59 * MINUTE, "47h"),
            (2 * DAY, "2d"),
            (8 * DAY - 1, "7d23h"),
            (8 * DAY, "8d"),
            (2 * YEAR - 1, "729d"),
            (2 * YEAR, "2y"),
            (2 * YEAR + DAY, "2y1d"),
            (8 * YEAR + DAY, "8y"),
        ] {
            assert_eq!(human_duration(SignedDuration::from_secs(seconds)), text, "{seconds}");
        }
    }

    #[test]
    fn no_time_is_unknown_and_a_wrong_one_invalid() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(human_age("", now), "<unknown>");
        assert_eq!(human_age("yesterday", now), "<invalid>");
        assert_eq!(human_age("1970-01-12T13:46:30Z", now), "10s");
    }
}
