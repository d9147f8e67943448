//! Limits of rates while something runs: what the arguments, the hour and the user's keys say.

use std::time::{Duration, Instant};

use truecopy_transport::pace::{RATE_MIN, Rate, Rates};

use crate::args::LimitArgs;
use crate::clock;
use crate::control::Control;
use crate::exit::{Error, Exit, Result};
use crate::net::Net;
use crate::output::{Event, Reporter};

/// How often the hour is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What the first press of "slower" makes of no limit, and what "faster" makes none of, in bytes a second.
const KEYS_MAX: u64 = 64 << 20;

/// Limits of rates, as they are now.
#[derive(Debug)]
pub struct Limits {
    args: LimitArgs,
    /// What the arguments said for the hour that was looked at last.
    planned: Rates,
    /// What holds: the same, or what the user made of it since.
    rates: Rates,
    looked: Instant,
}

impl Limits {
    /// Those of the arguments, at this hour.
    pub fn new(args: &LimitArgs) -> Self {
        let rates = at(args, clock::minute_of_day(clock::now()));
        Self { args: args.clone(), planned: rates, rates, looked: Instant::now() }
    }

    /// What holds now.
    pub const fn rates(&self) -> Rates {
        self.rates
    }

    /// Tells the user, if there are any limits.
    pub fn tell(&self, reporter: &Reporter) {
        if self.rates != Rates::default() || !self.args.limit_schedule.is_empty() {
            self.say(reporter);
        }
    }

    fn say(&self, reporter: &Reporter) {
        let bytes = |rate: Option<Rate>| rate.map(Rate::bytes_a_second);
        reporter.tell(&Event::Limits { up: bytes(self.rates.up), down: bytes(self.rates.down) });
    }

    /// Looks at the hour, now and then: other limits may hold from now on.
    ///
    /// # Errors
    /// If the network part of the program has ended.
    pub fn look(&mut self, net: &Net, reporter: &Reporter) -> Result<()> {
        match self.due() {
            Some(rates) => self.change(rates, net, reporter),
            None => Ok(()),
        }
    }

    /// Looks at the hour, now and then. What holds from now on, if that is something else.
    pub fn due(&mut self) -> Option<Rates> {
        if self.args.limit_schedule.is_empty() || self.looked.elapsed() < LOOK {
            return None;
        }
        self.looked = Instant::now();
        self.planned_at(clock::minute_of_day(clock::now()))
    }

    fn planned_at(&mut self, minute: u16) -> Option<Rates> {
        let planned = at(&self.args, minute);
        if planned == self.planned {
            return None;
        }
        (self.planned, self.rates) = (planned, planned);
        Some(planned)
    }

    /// Obeys the keys that change limits: twice or half as much, where one is set; nothing else.
    ///
    /// # Errors
    /// If the network part of the program has ended.
    pub fn obey(&mut self, wish: Control, net: &Net, reporter: &Reporter) -> Result<()> {
        let step = match wish {
            Control::Faster => faster,
            Control::Slower => slower,
            _ => return Ok(()),
        };
        self.change(stepped(self.rates, step), net, reporter)
    }

    fn change(&mut self, rates: Rates, net: &Net, reporter: &Reporter) -> Result<()> {
        self.rates = rates;
        net.handle.set_rates(rates).map_err(|stopped| Error::new(Exit::Unexpected, stopped))?;
        self.say(reporter);
        Ok(())
    }
}

/// Other limits in place of those that are set; without any, both ways.
fn stepped(rates: Rates, step: fn(Option<Rate>) -> Option<Rate>) -> Rates {
    match rates {
        Rates { up: None, down: None } => Rates { up: step(None), down: step(None) },
        Rates { up, down } => Rates { up: up.and_then(|_| step(up)), down: down.and_then(|_| step(down)) },
    }
}

fn faster(rate: Option<Rate>) -> Option<Rate> {
    let twice = rate?.bytes_a_second().saturating_mul(2);
    if twice > KEYS_MAX { None } else { Rate::new(twice) }
}

fn slower(rate: Option<Rate>) -> Option<Rate> {
    let half = rate.map_or(KEYS_MAX, |rate| rate.bytes_a_second() / 2);
    Rate::new(half.max(RATE_MIN))
}

/// What the arguments say for a minute of the day.
fn at(args: &LimitArgs, minute: u16) -> Rates {
    let scheduled = args.limit_schedule.iter().find(|hours| hours.hold(minute)).map(|hours| hours.rates);
    scheduled.unwrap_or_else(|| Rates {
        up: args.limit_up.and_then(|limit| limit.0),
        down: args.limit_down.and_then(|limit| limit.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> LimitArgs {
        LimitArgs {
            limit_up: Some("5M".parse().unwrap()),
            limit_down: None,
            limit_schedule: vec!["08:00-18:00=1M".parse().unwrap(), "07:00-20:00=2M/none".parse().unwrap()],
            ..LimitArgs::default()
        }
    }

    fn rates(up: u64, down: u64) -> Rates {
        Rates { up: Rate::new(up << 20), down: Rate::new(down << 20) }
    }

    #[test]
    fn the_first_hours_that_fit_hold_and_else_the_plain_limits() {
        assert_eq!(at(&args(), 12 * 60), rates(1, 1));
        assert_eq!(at(&args(), 19 * 60), rates(2, 0));
        assert_eq!(at(&args(), 23 * 60), rates(5, 0));
    }

    #[test]
    fn another_hour_is_told_once_and_takes_back_what_the_user_made_of_the_last() {
        let mut limits =
            Limits { args: args(), planned: rates(1, 1), rates: rates(4, 4), looked: Instant::now() };
        assert_eq!(limits.planned_at(12 * 60), None, "the same hours: the user's wish stays");
        assert_eq!(limits.planned_at(19 * 60), Some(rates(2, 0)));
        assert_eq!((limits.rates(), limits.planned_at(19 * 60)), (rates(2, 0), None));
    }

    #[test]
    fn keys_halve_and_double_between_the_least_and_none() {
        let mut rate = None;
        for _ in 0..30 {
            rate = slower(rate);
        }
        assert_eq!(rate, Rate::new(RATE_MIN));
        assert_eq!(faster(rate), Rate::new(2 * RATE_MIN));
        assert_eq!(slower(None), Rate::new(KEYS_MAX));
        assert_eq!(faster(Rate::new(KEYS_MAX)), None);
        assert_eq!(faster(None), None);
    }

    #[test]
    fn keys_change_the_limits_that_are_set_and_both_if_none_is() {
        assert_eq!(stepped(rates(0, 4), slower), rates(0, 2));
        assert_eq!(stepped(rates(1, 4), faster), rates(2, 8));
        assert_eq!(stepped(Rates::default(), slower), rates(64, 64));
        assert_eq!(stepped(Rates::default(), faster), Rates::default());
    }
}
