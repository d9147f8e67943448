//! What goes wrong with a stream, at a stated byte of one direction.

/// Ends that come early. TCP does these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Both directions are reset when this byte of the direction would be written (N13).
    Reset {
        /// So many bytes pass first.
        at: u64,
        /// What of them is lost.
        eats: Eats,
    },
    /// The direction ends as if properly, and what follows vanishes (N16).
    Fin {
        /// So many bytes pass first.
        at: u64,
    },
}

impl Break {
    pub(super) fn at(self) -> u64 {
        match self {
            Self::Reset { at, .. } | Self::Fin { at } => at,
        }
    }
}

/// What a reset takes with it (N14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eats {
    /// What has not arrived yet.
    Unarrived,
    /// What has arrived and was not read, too.
    Unread,
}

/// Changes of bytes under way (N19, N20). TCP does **not** do these: they stand for broken proxies, drivers and memory,
/// and for attackers. Offsets count the bytes of the direction as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bits of one byte are inverted.
    Flip {
        /// Which byte.
        at: u64,
        /// Which bits.
        mask: u8,
    },
    /// Bytes vanish.
    Drop {
        /// The first of them.
        at: u64,
        /// How many.
        len: usize,
    },
    /// Bytes come twice.
    Duplicate {
        /// The first of them.
        at: u64,
        /// How many.
        len: usize,
    },
    /// Bytes change places with as many that follow them.
    Swap {
        /// The first of them.
        at: u64,
        /// How many.
        len: usize,
    },
    /// Foreign bytes come in between.
    Insert {
        /// Before which byte.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
}

impl Damage {
    fn at(&self) -> u64 {
        match self {
            Self::Flip { at, .. }
            | Self::Drop { at, .. }
            | Self::Duplicate { at, .. }
            | Self::Swap { at, .. }
            | Self::Insert { at, .. } => *at,
        }
    }

    /// How many written bytes it needs to see.
    fn span(&self) -> usize {
        match self {
            Self::Flip { .. } => 1,
            Self::Drop { len, .. } | Self::Duplicate { len, .. } => *len,
            Self::Swap { len, .. } => 2 * len,
            Self::Insert { .. } => 0,
        }
    }

    fn apply(&self, mut seen: Vec<u8>, out: &mut impl Extend<u8>) {
        match self {
            Self::Flip { mask, .. } => seen.iter_mut().for_each(|byte| *byte ^= mask),
            Self::Drop { .. } => seen.clear(),
            Self::Duplicate { .. } => seen.extend_from_within(..),
            Self::Swap { .. } => {
                let half = seen.len() / 2;
                seen.rotate_left(half);
            }
            Self::Insert { bytes, .. } => seen.splice(0..0, bytes.iter().copied()).for_each(drop),
        }
        out.extend(seen);
    }
}

/// Applies damages to a direction as its bytes pass. Overlapping ones are applied one after another.
#[derive(Debug)]
pub(super) struct Damager {
    /// Latest first.
    damages: Vec<Damage>,
    passed: u64,
    held: Vec<u8>,
    /// How many were done.
    pub(super) done: u64,
}

impl Damager {
    pub(super) fn new(mut damages: Vec<Damage>) -> Self {
        damages.sort_by_key(|damage| std::cmp::Reverse(damage.at()));
        Self { damages, passed: 0, held: Vec::new(), done: 0 }
    }

    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut impl Extend<u8>) {
        while let Some(damage) = self.damages.last() {
            let before = damage.at().saturating_sub(self.passed);
            if before > 0 && self.held.is_empty() {
                let (clean, rest) =
                    bytes.split_at(bytes.len().min(usize::try_from(before).unwrap_or(usize::MAX)));
                out.extend(clean.iter().copied());
                self.passed += clean.len() as u64;
                bytes = rest;
                if clean.len() as u64 != before {
                    return;
                }
            }
            let (seen, rest) = bytes.split_at(bytes.len().min(damage.span() - self.held.len()));
            self.held.extend_from_slice(seen);
            bytes = rest;
            self.passed += seen.len() as u64;
            if self.held.len() < damage.span() {
                return;
            }
            damage.apply(std::mem::take(&mut self.held), out);
            self.damages.pop();
            self.done += 1;
        }
        out.extend(bytes.iter().copied());
        self.passed += bytes.len() as u64;
    }

    /// The direction ends: what was held goes out as it is.
    pub(super) fn end(&mut self, out: &mut impl Extend<u8>) {
        out.extend(std::mem::take(&mut self.held));
        self.damages.clear();
    }
}
