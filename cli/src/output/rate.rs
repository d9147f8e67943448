//! How fast something goes, and how long it will take: smoothed, with the time handed in.

use std::time::Duration;

/// Estimates from readings of a growing counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    last: Option<(Duration, u64)>,
    per_second: Option<f64>,
}

impl Rate {
    /// After so long, an older reading counts for about a third.
    const MEMORY_SECS: f64 = 3.0;
    /// Readings closer together than this are taken as one.
    const STEP: Duration = Duration::from_millis(200);

    /// A new reading. A counter that went back starts the estimate anew.
    pub fn observe(&mut self, now: Duration, count: u64) {
        let Some((then, before)) = self.last.filter(|(_, before)| *before <= count) else {
            *self = Self { last: Some((now, count)), per_second: None };
            return;
        };
        let passed = now.saturating_sub(then);
        if passed < Self::STEP {
            return;
        }
        let seconds = passed.as_secs_f64();
        let current = (count - before) as f64 / seconds;
        let keep = (-seconds / Self::MEMORY_SECS).exp();
        self.per_second = Some(self.per_second.map_or(current, |old| old * keep + current * (1.0 - keep)));
        self.last = Some((now, count));
    }

    /// Per second; none before there are two readings.
    pub fn per_second(&self) -> Option<u64> {
        self.per_second.map(|rate| rate.round() as u64)
    }

    /// How long `remaining` will take; none if nothing moves or it would be beyond a hundred days.
    pub fn eta(&self, remaining: u64) -> Option<Duration> {
        const BEYOND_SECS: f64 = 8_640_000.0;
        let seconds = remaining as f64 / self.per_second.filter(|rate| *rate >= 1.0)?;
        (seconds < BEYOND_SECS).then(|| Duration::from_secs_f64(seconds.ceil()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_steady_flow_is_measured_exactly() {
        let mut rate = Rate::default();
        for second in 0..10 {
            rate.observe(SECOND * second, u64::from(second) * 1000);
        }
        assert_eq!(rate.per_second(), Some(1000));
        assert_eq!(rate.eta(5000), Some(SECOND * 5));
    }

    #[test]
    fn a_burst_is_smoothed_and_a_stall_fades() {
        let mut rate = Rate::default();
        rate.observe(Duration::ZERO, 0);
        rate.observe(SECOND, 1000);
        rate.observe(SECOND * 2, 11_000);
        let burst = rate.per_second().unwrap();
        assert!((1000..6000).contains(&burst), "{burst}");
        rate.observe(SECOND * 60, 11_000);
        assert!(rate.per_second().unwrap() < 10);
        assert_eq!(rate.eta(1_000_000_000_000), None);
    }

    #[test]
    fn a_counter_that_goes_back_starts_anew() {
        let mut rate = Rate::default();
        rate.observe(Duration::ZERO, 500);
        rate.observe(SECOND, 100);
        assert_eq!(rate.per_second(), None);
    }
}
