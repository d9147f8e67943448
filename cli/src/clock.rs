//! The time of the day where the user is.

use std::cell::RefCell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use truecopy_protocol::UnixTime;

/// How long the zone is taken to be the same: clocks change twice a year, and people travel.
const SAME: Duration = Duration::from_secs(30);

/// The system's clock.
pub fn now() -> UnixTime {
    UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Minutes since midnight, in local time; in universal time on a system that does not say where it is.
pub fn minute_of_day(time: UnixTime) -> u16 {
    let seconds = i64::try_from(time.0).unwrap_or(i64::MAX);
    let offset = ZONE.with_borrow_mut(|zone| {
        let zone = match zone {
            Some((read, zone)) if read.elapsed() < SAME => zone,
            _ => &mut zone.insert((Instant::now(), read())).1,
        };
        zone.as_ref()
            .and_then(|zone| zone.find_local_time_type(seconds).ok().map(tz::LocalTimeType::ut_offset))
    });
    let minute = seconds.saturating_add(i64::from(offset.unwrap_or(0))).rem_euclid(86_400) / 60;
    u16::try_from(minute).unwrap_or(0)
}

/// As people read it: `15:04`.
pub fn shown(time: UnixTime) -> String {
    let minute = minute_of_day(time);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

thread_local! {
    static ZONE: RefCell<Option<(Instant, Option<tz::TimeZone>)>> = const { RefCell::new(None) };
}

fn read() -> Option<tz::TimeZone> {
    match std::env::var("TZ") {
        Ok(zone) if !zone.is_empty() => tz::TimeZone::from_posix_tz(&zone).ok(),
        _ => tz::TimeZone::local().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_far_beyond_all_calendars_is_shown_as_some_time() {
        assert_eq!(shown(UnixTime(u64::MAX)).len(), 5);
        assert!(minute_of_day(now()) < 24 * 60);
    }
}
