//! How much one source may ask: a bucket of tokens for each address (IPv4) or /64 (IPv6).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use truecopy_protocol::Now;

/// Whom a bucket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// One IPv4 address.
    V4(u32),
    /// The network half of an IPv6 address.
    V6(u64),
    /// All that came when there was no room for a bucket of their own.
    Others,
}

impl From<IpAddr> for Source {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.to_bits()),
            IpAddr::V6(ip) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

/// What a source may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second in the long run.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// Buckets of all sources, `sources_max` at most.
#[derive(Debug)]
pub struct Limiter {
    rate: Rate,
    sources_max: usize,
    /// When each bucket is full again. A full one needs no entry.
    full_at: BTreeMap<Source, Now>,
    /// When full buckets were last looked for.
    swept: Now,
}

/// Full buckets are looked for at most this often, when room is needed.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Limiter {
    /// Everyone's bucket is full.
    pub const fn new(rate: Rate, sources_max: usize) -> Self {
        Self { rate, sources_max, full_at: BTreeMap::new(), swept: Now::ZERO }
    }

    /// Takes `cost` tokens from the source's bucket.
    ///
    /// # Errors
    /// How long until there will be enough; nothing is taken then.
    pub fn take(&mut self, now: Now, source: Source, cost: u32) -> Result<(), Duration> {
        if self.rate.per_second == 0 {
            return Ok(());
        }
        let mut source = source;
        if !self.full_at.contains_key(&source) && self.full_at.len() >= self.sources_max {
            if now.since(self.swept) >= SWEEP_EVERY {
                self.full_at.retain(|_, full_at| *full_at > now);
                self.swept = now;
            }
            if self.full_at.len() >= self.sources_max {
                source = Source::Others;
            }
        }
        let one = Duration::from_secs(1) / self.rate.per_second;
        let full_at = self.full_at.get(&source).copied().unwrap_or(now).max(now);
        let after = full_at + one * cost;
        let room = one * self.rate.burst.max(cost);
        let lacking = after.since(now).saturating_sub(room);
        if lacking > Duration::ZERO {
            return Err(lacking);
        }
        self.full_at.insert(source, after);
        Ok(())
    }

    /// Sources whose buckets are not full, and those that only were not.
    pub fn sources(&self) -> usize {
        self.full_at.len()
    }
}
