//! Limits of rates, and when they hold.

use std::str::FromStr;

use clap::{Args, value_parser};
use truecopy_protocol::Config;
use truecopy_transport::pace::{RATE_MIN, Rate, Rates};

/// How fast bytes may go.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Send at most so many bytes a second, as 5M, 800K or none
    #[arg(long, env = "TRUECOPY_LIMIT_UP", value_name = "RATE")]
    pub limit_up: Option<Limit>,
    /// Receive at most so many bytes a second, as 5M, 800K or none
    #[arg(long, env = "TRUECOPY_LIMIT_DOWN", value_name = "RATE")]
    pub limit_down: Option<Limit>,
    /// Other limits at a time of the day, repeatable, as 08:00-18:00=1M or 22:00-06:00=UP/DOWN; the first that fits holds
    #[arg(long, env = "TRUECOPY_LIMIT_SCHEDULE", value_name = "FROM-TO=RATE", value_delimiter = ',')]
    pub limit_schedule: Vec<Hours>,
    /// Connections at once, both ways; each may take up to a megabyte while bytes are on their way [default: 64]
    #[arg(long, env = "TRUECOPY_PEERS_MAX", value_name = "N", value_parser = value_parser!(u32).range(1..=i64::from(PEERS_MAX)))]
    pub peers_max: Option<u32>,
}

/// Connections that can be asked for at most: a system gives a program no more descriptors than that without being told.
const PEERS_MAX: u32 = 16_384;

impl LimitArgs {
    /// The same limits and durations with as many connections as the user wants.
    pub fn applied(&self, config: Config) -> Config {
        match self.peers_max {
            Some(peers) => config.with_conns(peers),
            None => config,
        }
    }
}

/// A rate that may be none: `5M`, `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Rate>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self(None));
        }
        let help = || "expected bytes a second, as 5M (5 MiB), 800K, 1.5MB (1,500,000) or none".to_owned();
        let number = text.strip_suffix("/s").unwrap_or(text);
        let digits = number.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit: u64 = match number[digits.len()..].to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kib" => 1 << 10,
            "m" | "mib" => 1 << 20,
            "g" | "gib" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(help()),
        };
        let is_plain = digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let value: f64 = digits.parse().ok().filter(|_| is_plain).ok_or_else(help)?;
        let bytes = value * unit as f64;
        // A limit beyond that is none that anybody meets.
        if bytes > 1e15 {
            return Err(help());
        }
        Rate::new(bytes as u64).map(|rate| Self(Some(rate))).ok_or_else(|| {
            format!(
                "the least limit is {}K: below that, peers would take a slow connection for a dead one",
                RATE_MIN >> 10
            )
        })
    }
}

/// Hours of the day, in local time, and the limits that hold then: `08:00-18:00=1M`, `22:00-06:00=none/5M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Minutes after midnight; the first that it holds in.
    from: u16,
    /// Minutes after midnight; the first that it does not hold in. Before `from`: on the next day.
    to: u16,
    /// What holds then, both ways.
    pub rates: Rates,
}

impl Hours {
    /// Whether it holds at this minute of the day.
    pub const fn hold(self, minute: u16) -> bool {
        if self.from < self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let help = "expected hours and a rate, as 08:00-18:00=1M, or 22:00-06:00=UP/DOWN";
        let (hours, rates) = text.split_once('=').ok_or(help)?;
        let (from, to) = hours.split_once('-').ok_or(help)?;
        let (from, to) = (minute(from).ok_or(help)?, minute(to).ok_or(help)? % MINUTES);
        if from == to {
            return Err(
                "a time that begins when it ends; for the whole day use --limit-up and --limit-down".into()
            );
        }
        let (up, down) = rates.split_once('/').unwrap_or((rates, rates));
        let (Limit(up), Limit(down)) = (up.parse()?, down.parse()?);
        Ok(Self { from, to, rates: Rates { up, down } })
    }
}

/// Minutes of a day.
const MINUTES: u16 = 24 * 60;

/// Minutes after midnight of `HH:MM`; 24:00 is the end of the day.
fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |text: &str| -> Option<u16> {
        (matches!(text.len(), 1 | 2) && text.chars().all(|c| c.is_ascii_digit()))
            .then(|| text.parse().ok())?
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= MINUTES && (all < MINUTES || hour == 24)).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Option<u64> {
        text.parse::<Limit>().unwrap().0.map(Rate::bytes_a_second)
    }

    #[test]
    fn rates_are_read_in_units_of_both_kinds() {
        for (text, bytes) in [
            ("5M", 5 << 20),
            ("5MiB", 5 << 20),
            ("5mib/s", 5 << 20),
            ("800K", 800 << 10),
            ("1.5MB", 1_500_000),
            ("2g", 2 << 30),
            ("1GB", 1_000_000_000),
            ("32768", 32_768),
        ] {
            assert_eq!(limit(text), Some(bytes), "{text}");
        }
        assert_eq!(limit("none"), None);
        for wrong in ["", "M", "-5M", "5X", "5 M", "fast", "1e9", "nan", "inf", "0.0.1M", "99999999999G"] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_below_the_least_is_refused_with_the_reason() {
        for little in ["0", "1K", "31K", "32767"] {
            let error = little.parse::<Limit>().unwrap_err();
            assert!(error.contains("32K"), "{error}");
        }
    }

    #[test]
    fn hours_are_read_and_hold_from_their_first_minute_to_before_their_last() {
        let day: Hours = "08:00-18:00=1M".parse().unwrap();
        assert_eq!(day.rates, Rates { up: Rate::new(1 << 20), down: Rate::new(1 << 20) });
        for (minute, holds) in [(0, false), (479, false), (480, true), (1079, true), (1080, false)] {
            assert_eq!(day.hold(minute), holds, "{minute}");
        }
        let night: Hours = "22:00-6:30=none/5M".parse().unwrap();
        assert_eq!(night.rates, Rates { up: None, down: Rate::new(5 << 20) });
        for (minute, holds) in
            [(0, true), (389, true), (390, false), (1319, false), (1320, true), (1439, true)]
        {
            assert_eq!(night.hold(minute), holds, "{minute}");
        }
        let evening: Hours = "20:00-24:00=1M".parse().unwrap();
        assert!(evening.hold(1439) && !evening.hold(0));
        for wrong in [
            "",
            "8-18=1M",
            "08:00=1M",
            "08:00-18:00",
            "08:60-18:00=1M",
            "25:00-26:00=1M",
            "24:01-3:00=1M",
            "08:00-08:00=1M",
            "08:00-18:00=1K",
            "08:00-18:00=1M/2M/3M",
        ] {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }
}
