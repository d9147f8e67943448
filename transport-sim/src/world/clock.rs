//! The clocks of a host: monotonic, at a rate of its own; and civil.

use truecopy_protocol::{Now, UnixTime};

use super::weather::Window;

const MILLION: i128 = 1_000_000;

/// Maps the time of the world (nanoseconds from the start of the run) to that of a host, and back.
#[derive(Clone, Debug)]
pub(super) struct HostClock {
    /// How much faster than the world, in millionths.
    ppm: i32,
    /// When it stands still, in the world's time.
    stops: Vec<Window>,
    /// Seconds by which the civil time is wrong.
    jumped: i64,
}

/// The civil time at the start of every run.
const EPOCH: i64 = 1_700_000_000;

impl HostClock {
    pub(super) const fn new(ppm: i32) -> Self {
        Self { ppm, stops: Vec::new(), jumped: 0 }
    }

    /// Nanoseconds before `world` during which it stood still.
    fn stood(&self, world: u64) -> u64 {
        self.stops.iter().map(|stop| world.min(stop.to).saturating_sub(stop.from)).sum()
    }

    pub(super) fn now(&self, world: u64) -> Now {
        let awake = i128::from(world - self.stood(world));
        Now::from_nanos((awake + awake * i128::from(self.ppm) / MILLION) as u64)
    }

    /// The first moment of the world at which this clock shows `at`, if it does not stand still before.
    pub(super) fn world(&self, at: Now) -> u64 {
        let scaled = i128::from(at.as_nanos()) * MILLION;
        let rate = MILLION + i128::from(self.ppm);
        let awake = (scaled / rate) as u64;
        // What it stood still before then, and before what that adds.
        let mut world = awake;
        while awake + self.stood(world) > world {
            world = awake + self.stood(world);
        }
        while self.now(world) < at {
            world += 1;
        }
        world
    }

    /// It stands still in this window, which overlaps no other.
    pub(super) fn stand_still(&mut self, window: Window) {
        self.stops.push(window);
    }

    pub(super) const fn jump(&mut self, seconds: i64) {
        self.jumped += seconds;
    }

    /// Somebody sets it to the true time.
    pub(super) fn set_right(&mut self, world: u64) {
        self.jumped = 0;
        self.jumped = civil(world).0 as i64 - self.civil(world).0 as i64;
    }

    pub(super) fn civil(&self, world: u64) -> UnixTime {
        let seconds = i64::try_from(self.now(world).as_nanos() / 1_000_000_000).unwrap_or(i64::MAX);
        UnixTime(u64::try_from(EPOCH + seconds + self.jumped).unwrap_or(0))
    }
}

/// The true civil time.
pub(super) const fn civil(world: u64) -> UnixTime {
    UnixTime(EPOCH as u64 + world / 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_host_is_reached_when_the_world_says_so() {
        for ppm in [0, 500, -500, 50_000, -50_000] {
            let mut clock = HostClock::new(ppm);
            clock.stand_still(Window { from: 500, to: 577 });
            for at in [0, 1, 999, 1_000_000_007, 3_600_000_000_000] {
                let world = clock.world(Now::from_nanos(at));
                assert!(clock.now(world).as_nanos() >= at);
                assert!(world == 0 || clock.now(world - 1).as_nanos() < at, "{ppm} {at}");
            }
        }
    }

    #[test]
    fn a_clock_that_was_set_right_shows_the_true_time() {
        let mut clock = HostClock::new(50_000);
        clock.jump(-1_000_000_000);
        clock.stand_still(Window { from: 500, to: 3_600_000_000_000 });
        clock.set_right(7_200_000_000_000);
        assert_eq!(clock.civil(7_200_000_000_000), civil(7_200_000_000_000));
    }
}
