//! Times that operators type and read (floor 7), in the zone of this host.

use crate::entry::Time;
use jiff::civil::{Date, DateTime, Time as Clock, Weekday};
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

/// A date (its last moment), a date and time, a time with zone, `2 days ago`, `yesterday`, or `tuesday`, which with or without `last` before it is the
/// last one before today; a time of day may follow these.
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
        let one = ["a ", "an ", "one "].into_iter().find_map(|one| text.strip_prefix(one));
        let span = one.map_or_else(|| text.to_owned(), |rest| format!("1 {rest}"));
        zoned(now)?.checked_add(span.parse::<Span>().ok()?).ok()?.timestamp()
    } else {
        spoken(&text.to_ascii_lowercase(), zoned(now)?.date())?.to_zoned_datetime(zone).ok()?.timestamp()
    };
    let nanoseconds = moment.as_nanosecond();
    let seconds = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok()?;
    Some(Time { seconds, nanoseconds: u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).ok()? })
}

/// A day as people say it, with a time of day or to its last moment.
fn spoken(text: &str, today: Date) -> Option<DateTime> {
    const WEEK: [(&str, Weekday); 7] = [
        ("monday", Weekday::Monday),
        ("tuesday", Weekday::Tuesday),
        ("wednesday", Weekday::Wednesday),
        ("thursday", Weekday::Thursday),
        ("friday", Weekday::Friday),
        ("saturday", Weekday::Saturday),
        ("sunday", Weekday::Sunday),
    ];
    let (day, clock) = match text.rsplit_once(' ').map(|(day, clock)| (day.trim(), clock.parse::<Clock>())) {
        Some((day, Ok(clock))) => (day, clock),
        _ => (text, Clock::constant(23, 59, 59, 999_999_999)),
    };
    let named = |name: &str| WEEK.iter().find(|(full, _)| *full == name || (name.len() == 3 && full.starts_with(name)));
    let date = match day {
        "today" => today,
        "yesterday" => today.yesterday().ok()?,
        day => today.nth_weekday(-1, named(day.strip_prefix("last ").unwrap_or(day).trim())?.1).ok()?,
    };
    Some(date.to_datetime(clock))
}

#[cfg(test)]
mod tests {
    use super::{local, parse, spoken};
    use crate::entry::Time;
    use jiff::civil::Date;

    #[test]
    fn what_operators_type_is_understood() {
        let now = Time { seconds: 1_795_478_400, nanoseconds: 0 };
        let shown = |text: &str| parse(text, now).map(local);
        assert_eq!(shown("2026-11-21").as_deref(), Some("2026-11-21 23:59:59"));
        assert_eq!(shown("2026-11-21 03:00").as_deref(), Some("2026-11-21 03:00:00"));
        assert_eq!(shown("2026-11-21T03:00:05").as_deref(), Some("2026-11-21 03:00:05"));
        assert_eq!(parse("2 days ago", now).map(|t| t.seconds), Some(now.seconds - 2 * 86_400));
        assert_eq!(parse("2026-11-21T03:00:00Z", now).map(|t| t.seconds), Some(1_795_230_000));
        assert_eq!(parse("a week ago", now).map(|t| t.seconds), Some(now.seconds - 7 * 86_400));
        assert_eq!(parse("2 weeks ago", now), parse("14 days ago", now));
        for bad in ["", "yesterday-ish", "2026-13-01", "42", "ago"] {
            assert_eq!(parse(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn days_are_understood_as_people_say_them() {
        let tuesday = Date::constant(2026, 11, 24);
        let said = |text: &str| spoken(text, tuesday).map(|moment| moment.strftime("%Y-%m-%d %H:%M").to_string());
        for (text, wanted) in [
            ("today", "2026-11-24 23:59"),
            ("yesterday", "2026-11-23 23:59"),
            ("yesterday 14:30", "2026-11-23 14:30"),
            ("monday", "2026-11-23 23:59"),
            ("last monday", "2026-11-23 23:59"),
            ("tuesday", "2026-11-17 23:59"),
            ("last tuesday 03:00", "2026-11-17 03:00"),
            ("wed", "2026-11-18 23:59"),
        ] {
            assert_eq!(said(text).as_deref(), Some(wanted), "{text}");
        }
        for bad in ["last", "someday", "t", "last yesterday", "monday 25:00", "03:00"] {
            assert_eq!(said(bad), None, "{bad}");
        }
    }
}
