//! What must always hold, judged from outside of the code under test: from the true content, the disks, and taps on
//! the plaintext.

mod blocks;
mod disk;
mod tap;

use std::fmt;
use std::ops::Range;

use crate::content::Origin;

pub use blocks::{Blocks, State};
pub(crate) use disk::{Standing, complete, destination, staged_claim};
pub(crate) use tap::{Order, Said, Tap};

/// What was violated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Oracle {
    /// S1: a file under its final name has the bytes of the source.
    FinalBytes,
    /// S2: a claim is backed by right bytes on the claimant's disk.
    Claim,
    /// S3: nothing is written outside of the destination, or beyond a file's length.
    Outside,
    /// S4: no final name before its file is whole and durable.
    FinalName,
    /// S5: an honest sender sends only the bytes of the share.
    SentBytes,
    /// S6: progress and receipts never exceed what is verified.
    Progress,
    /// S7: what one end consumed is a prefix of what the other produced.
    StreamOrder,
    /// S8: memory stays below its limit.
    Memory,
    /// S9: no panic.
    Panic,
    /// S10: an error is one that the plan explains.
    Error,
    /// S11: nobody is banned for what another did.
    Blame,
    /// S12: peers meet where they may, are told of those that are there, and nobody is met again after a ban.
    Meeting,
    /// S13: what is said is heard once and in order, or whoever said it is told.
    Talk,
    /// L1: everything completes after the healing.
    Completion,
    /// L2: no spinning.
    Spin,
    /// L3: no idleness while there is work.
    Idle,
    /// L4: no storm of dials, nor of calls to trackers.
    Storm,
    /// L5: not more bytes on the wire than losses explain.
    Waste,
    /// D1: the same plan gives the same run.
    Determinism,
    /// M1: a block's state only moves by allowed steps; what was durable is never lost.
    BlockState,
}

impl Oracle {
    /// Its number in the catalogue.
    pub const fn number(self) -> &'static str {
        match self {
            Self::FinalBytes => "S1",
            Self::Claim => "S2",
            Self::Outside => "S3",
            Self::FinalName => "S4",
            Self::SentBytes => "S5",
            Self::Progress => "S6",
            Self::StreamOrder => "S7",
            Self::Memory => "S8",
            Self::Panic => "S9",
            Self::Error => "S10",
            Self::Blame => "S11",
            Self::Meeting => "S12",
            Self::Talk => "S13",
            Self::Completion => "L1",
            Self::Spin => "L2",
            Self::Idle => "L3",
            Self::Storm => "L4",
            Self::Waste => "L5",
            Self::Determinism => "D1",
            Self::BlockState => "M1",
        }
    }
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self:?}", self.number())
    }
}

/// Where wrong bytes are, and where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's number in the plan.
    pub file: u16,
    /// Which bytes of it, from the first wrong one on.
    pub range: Range<u64>,
    /// Where the bytes that stand there come from.
    pub origin: Origin,
}

/// The first wrong claim of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was violated.
    pub oracle: Oracle,
    /// Nanoseconds from the start of the run.
    pub at: u64,
    /// By whom.
    pub host: Option<u16>,
    /// The class of the claim: the same bug gives the same class.
    pub class: &'static str,
    /// The claim, in words.
    pub claim: String,
    /// Where bytes are wrong, if bytes are.
    pub place: Option<Place>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.oracle, self.class, self.claim)?;
        if let Some(place) = &self.place {
            let Range { start, end } = place.range;
            write!(f, "; bytes {start}..{end} of file {} come from {}", place.file, place.origin)?;
        }
        Ok(())
    }
}

/// What an oracle says.
pub(crate) type Checked = Result<(), Box<Finding>>;

/// A violation before it is known when and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) oracle: Oracle,
    pub(crate) class: &'static str,
    pub(crate) claim: String,
    pub(crate) place: Option<Place>,
}

impl Finding {
    pub(crate) fn new(oracle: Oracle, class: &'static str, claim: impl Into<String>) -> Box<Self> {
        Box::new(Self { oracle, class, claim: claim.into(), place: None })
    }
}

/// The first place where bytes differ from the truth.
pub(crate) fn first_difference(file: u16, offset: u64, found: &[u8], truth: &[u8]) -> Option<Place> {
    if found == truth {
        return None;
    }
    let same = found.iter().zip(truth).take_while(|(a, b)| a == b).count();
    let wrong = &found[same..];
    let end = offset + found.len().max(truth.len()) as u64;
    Some(Place { file, range: offset + same as u64..end, origin: crate::content::origin(wrong) })
}
