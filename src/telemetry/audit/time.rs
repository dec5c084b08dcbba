//! RFC 3339 in UTC with microseconds, as `metav1.MicroTime` is written.

use std::time::{SystemTime, UNIX_EPOCH};

/// Writes moments; remembers the text of the last second, in which most of them fall.
#[derive(Debug, Default)]
pub struct Clockwork {
    second: u64,
    // `2026-11-23T19:33:53.`; empty until the first moment.
    text: [u8; 20],
}

impl Clockwork {
    /// Appends `moment` to `out`; a moment before 1970 is written as 1970.
    pub fn write(&mut self, moment: SystemTime, out: &mut Vec<u8>) {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.as_secs() != self.second || self.text[0] == 0 {
            self.second = since.as_secs();
            self.text = prefix(self.second);
        }
        out.extend_from_slice(&self.text);
        let mut rest = since.subsec_micros();
        let mut digits = [b'Z'; 7];
        for place in digits.iter_mut().take(6).rev() {
            *place = digit(u64::from(rest % 10));
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

fn prefix(second: u64) -> [u8; 20] {
    let (year, month, day) = civil(second / 86_400);
    let rest = second % 86_400;
    let mut text = *b"0000-00-00T00:00:00.";
    let mut put = |at: usize, width: usize, mut value: u64| {
        for place in text.iter_mut().skip(at).take(width).rev() {
            *place = digit(value % 10);
            value /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, rest / 3600);
    put(14, 2, rest / 60 % 60);
    put(17, 2, rest % 60);
    text
}

const fn digit(value: u64) -> u8 {
    b'0' + (value % 10) as u8
}

/// Year, month and day of a day counted from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
const fn civil(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + (month <= 2) as u64, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::*;

    use super::Clockwork;

    proptest! {
        #[test]
        fn every_moment_is_written_as_another_library_writes_it(seconds in 0_i64..253_402_300_800, micros in 0_u32..1_000_000) {
            let moment = UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), micros * 1000);
            let mut out = Vec::new();
            let mut clockwork = Clockwork::default();
            clockwork.write(moment, &mut out);
            let other = jiff::Timestamp::new(seconds, i32::try_from(micros * 1000).unwrap()).unwrap();
            prop_assert_eq!(String::from_utf8(out).unwrap(), format!("{other:.6}"));
        }
    }

    #[test]
    fn the_remembered_second_does_not_leak_into_the_next() {
        let mut clockwork = Clockwork::default();
        let mut out = Vec::new();
        for nanos in [0, 999_999_999, 1_000_000_000, 0] {
            clockwork.write(UNIX_EPOCH + Duration::from_nanos(nanos), &mut out);
        }
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "1970-01-01T00:00:00.000000Z1970-01-01T00:00:00.999999Z1970-01-01T00:00:01.000000Z1970-01-01T00:00:00.000000Z"
        );
    }
}
