//! Days as the shop counts them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidings::Result;

/// Where the shop is: its days begin and end there.
pub(super) const TIME_ZONE: &str = "Europe/Berlin";

pub(super) fn time_zone() -> Result<TimeZone> {
    Ok(TimeZone::get(TIME_ZONE)?)
}

/// The day in which a moment lies.
pub(super) fn day_of(time: Timestamp, time_zone: &TimeZone) -> Date {
    time_zone.to_datetime(time).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_the_shops_midnight() {
        let berlin = time_zone().unwrap();
        let day = |time: &str| day_of(time.parse().unwrap(), &berlin).to_string();
        assert_eq!(day("2026-03-01T22:59:59Z"), "2026-03-01");
        assert_eq!(day("2026-03-01T23:00:00Z"), "2026-03-02");
        assert_eq!(day("2026-07-01T22:00:00Z"), "2026-07-02");
    }
}
