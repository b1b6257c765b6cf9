//! Times that operators type and read (floor 7), in the zone of this host.

use crate::entry::Time;
use jiff::civil::{Date, DateTime};
use jiff::{Span, Timestamp, ZonedDateTime, tz::TimeZone};

fn zoned(time: Time) -> Option<ZonedDateTime> {
    let nanoseconds = i32::try_from(time.nanoseconds).ok()?;
    Some(Timestamp::new(time.seconds, nanoseconds).ok()?.to_zoned_datetime(TimeZone::system()))
}

/// `2026-11-21 03:00:17`.
pub(super) fn local(time: Time) -> String {
    zoned(time).map_or_else(|| format!("@{}", time.seconds), |zoned| zoned.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// With zone, for machines.
pub(super) fn rfc3339(time: Time) -> String {
    zoned(time).map_or_else(|| format!("@{}", time.seconds), |zoned| zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

/// As the name of a folder of a snapshot has it: `2026-11-21T03:00`.
pub(super) fn label(time: Time) -> String {
    zoned(time).map_or_else(|| format!("@{}", time.seconds), |zoned| zoned.strftime("%Y-%m-%dT%H:%M").to_string())
}

/// A date (its last moment), a date and time, a time with zone, or `2 days ago`.
pub(super) fn parse(text: &str, now: Time) -> Option<Time> {
    let text = text.trim();
    let zone = TimeZone::system();
    let moment = if let Ok(timestamp) = text.parse::<Timestamp>() {
        timestamp
    } else if let Some(date) = text.parse::<Date>().ok().filter(|_| text.len() <= 10) {
        date.at(23, 59, 59, 999_999_999).to_zoned_datetime(zone).ok()?.timestamp()
    } else if let Ok(moment) = text.parse::<DateTime>() {
        moment.to_zoned_datetime(zone).ok()?.timestamp()
    } else if text.ends_with("ago") {
        zoned(now)?.checked_add(text.parse::<Span>().ok()?).ok()?.timestamp()
    } else {
        return None;
    };
    let nanoseconds = moment.as_nanosecond();
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    Some(Time { seconds, nanoseconds: u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()? })
}

#[cfg(test)]
mod tests {
    use super::{local, parse};
    use crate::entry::Time;

    #[test]
    fn what_operators_type_is_understood() {
        let now = Time { seconds: 1_795_478_400, nanoseconds: 0 };
        let shown = |text: &str| parse(text, now).map(local);
        assert_eq!(shown("2026-11-21").as_deref(), Some("2026-11-21 23:59:59"));
        assert_eq!(shown("2026-11-21 03:00").as_deref(), Some("2026-11-21 03:00:00"));
        assert_eq!(shown("2026-11-21T03:00:05").as_deref(), Some("2026-11-21 03:00:05"));
        assert_eq!(parse("2 days ago", now).map(|t| t.seconds), Some(now.seconds - 2 * 86_400));
        assert_eq!(parse("2026-11-21T03:00:00Z", now).map(|t| t.seconds), Some(1_795_230_000));
        for bad in ["", "yesterday-ish", "2026-13-01", "42", "ago"] {
            assert_eq!(parse(bad, now), None, "{bad}");
        }
    }
}
