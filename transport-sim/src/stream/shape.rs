//! What a legal byte stream may do: everything here also happens between honest machines.

use super::random::Random;

/// How many bytes one call moves, of those it could move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// All of them.
    All,
    /// Exactly so many, or all if there are fewer.
    Exactly(usize),
    /// Between one and so many, evenly.
    UpTo(usize),
    /// Between one and so many, small ones as likely as big ones.
    AnyScale(usize),
    /// Between one and so many, evenly; and twice as many after every few hundred calls, so that a long stream is not cut
    /// finely to its end.
    Coarsening(usize),
}

/// Calls after which a cut that coarsens does.
const COARSENS_AFTER: u32 = 512;

impl Cut {
    /// What it is after so many calls.
    pub(super) fn after(self, calls: u32) -> Self {
        match self {
            Self::Coarsening(max) => Self::UpTo(max.saturating_mul(1 << (calls / COARSENS_AFTER).min(24))),
            other => other,
        }
    }

    pub(super) fn draw(self, random: &mut Random, available: usize) -> usize {
        let cut = match self {
            Self::All => available,
            Self::Exactly(len) => len.max(1),
            Self::UpTo(max) | Self::Coarsening(max) => 1 + random.below(max.max(1)),
            Self::AnyScale(max) => {
                let scale = 1_usize << random.below(max.max(1).ilog2() as usize + 1);
                (scale + random.below(scale)).min(max.max(1))
            }
        };
        cut.min(available)
    }
}

/// When written bytes can be read at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// With every read, as many as the cut says.
    OnRead(Cut),
    /// Only by [`SimStream::arrive`](super::SimStream::arrive): the caller owns the time.
    Commanded,
}

/// The knobs of one direction, all independent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes that may be written and not yet read.
    pub window: usize,
    /// What one write takes (N1).
    pub accept: Cut,
    /// What arrives (N3, N7).
    pub arrival: Arrival,
    /// What one read gives (N2).
    pub read: Cut,
    /// `WouldBlock` from a call that could have moved bytes, in a thousand (N4).
    pub would_block_permille: u16,
    /// `Interrupted`, in a thousand (N5).
    pub interrupted_permille: u16,
}

impl Shape {
    /// A stream without any trouble.
    pub const SMOOTH: Self = Self {
        window: 256 * 1024,
        accept: Cut::All,
        arrival: Arrival::OnRead(Cut::All),
        read: Cut::All,
        would_block_permille: 0,
        interrupted_permille: 0,
    };

    /// One byte a call, in every respect.
    pub const BYTEWISE: Self = Self {
        window: 256 * 1024,
        accept: Cut::Exactly(1),
        arrival: Arrival::OnRead(Cut::Exactly(1)),
        read: Cut::Exactly(1),
        would_block_permille: 0,
        interrupted_permille: 0,
    };

    /// A shape drawn from a seed; every knob may be off, so that each also occurs alone.
    pub fn seeded(seed: u64) -> Self {
        let mut random = Random::new(seed, "shape");
        let window = 1 << (8 + random.below(12));
        let cut = |random: &mut Random| match random.below(4) {
            0 => Cut::All,
            1 => Cut::UpTo(1 << random.below(17)),
            2 => Cut::AnyScale(window),
            _ => Cut::Exactly(1 + random.below(20_000)),
        };
        let accept = cut(&mut random);
        let arrival = Arrival::OnRead(cut(&mut random));
        let read = cut(&mut random);
        let would_block_permille = [0, 0, 50, 300][random.below(4)];
        let interrupted_permille = [0, 0, 20, 100][random.below(4)];
        Self { window, accept, arrival, read, would_block_permille, interrupted_permille }
    }
}
