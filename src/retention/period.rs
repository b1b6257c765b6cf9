//! In which hour, day, week, month and year of a zone something was (floor 2).

use jiff::ZonedDateTime;

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Of the clock; one that comes twice, when summer time ends, is two.
    Hour,
    /// From midnight to midnight, be that 23, 24 or 25 hours.
    Day,
    /// From Monday on (ISO 8601), whichever years it lies in.
    Week,
    /// Of the calendar.
    Month,
    /// Of the calendar.
    Year,
}

impl Unit {
    /// As KEEP has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}

/// A name for one hour, one day, ...; those of one unit can be compared.
pub(super) type Period = [i32; 5];

/// The one of this unit that a moment is in.
pub(super) fn period(moment: &ZonedDateTime, unit: Unit) -> Period {
    let (year, month, day) = (i32::from(moment.year()), i32::from(moment.month()), i32::from(moment.day()));
    match unit {
        Unit::Hour => [year, month, day, i32::from(moment.hour()), moment.offset().seconds()],
        Unit::Day => [year, month, day, 0, 0],
        Unit::Week => {
            let week = moment.iso_week_date();
            [i32::from(week.year()), i32::from(week.week()), 0, 0, 0]
        }
        Unit::Month => [year, month, 0, 0, 0],
        Unit::Year => [year, 0, 0, 0, 0],
    }
}
