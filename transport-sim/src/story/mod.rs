//! The story that this project began with: bytes lost on an unstable connection, and no error anywhere.
//!
//! Every part of it is run, with a seed: the naive program on two networks, the same program under each layer of
//! truecopy, and the pump of truecopy on the very same stream.

mod bare;
mod file;
mod naive;
mod receiver;
mod run;
mod svg;
mod text;
mod wire;

use std::sync::Arc;

use truecopy_protocol::NodeId;
use truecopy_transport::channel::buffers::Pool;
use truecopy_transport::channel::tls::{Tls, TlsConfig, TlsError};
use truecopy_transport::keys::KeyPair;

pub use bare::Bare;
pub use file::{BLOCK, Region, SIZE};
pub use naive::NaivePump;
pub use receiver::{Alarm, Check};
pub use run::{Mover, Raised, Run};
pub use wire::{Call, Did, Weather, Wire};

use crate::clear::Clear;
use crate::tls::seeded_provider;
use run::{Form, carry};

/// A layer, and the naive program's transfer under it.
#[derive(Clone, Debug)]
pub struct Layer {
    /// What it is called.
    pub name: &'static str,
    /// What it does, in a few words.
    pub does: &'static str,
    /// The transfer.
    pub run: Run,
}

/// The whole story of one seed.
#[derive(Clone, Debug)]
pub struct Story {
    /// The seed.
    pub seed: u64,
    /// The naive program on a good network.
    pub calm: Run,
    /// The same on an unstable one.
    pub unstable: Run,
    /// Its sibling there: every byte is sent, and each read is taken for a message.
    pub messages: Run,
    /// The naive program there, under one layer after another.
    pub layers: Vec<Layer>,
    /// The real pump on that stream, over no channel: the same bytes, the same network.
    pub pump: Run,
    /// The real pump, frames, hashes and TLS: what truecopy does.
    pub truecopy: Run,
}

impl Story {
    /// Runs everything.
    ///
    /// # Errors
    /// [`TlsError`] if this host cannot do TLS.
    pub fn tell(seed: u64) -> Result<Self, TlsError> {
        use Check::{Blocks, Frames, Nothing, ReadIsMessage, Root};
        use Form::{Framed, Plain};
        use Mover::{Naive, Real};
        let bare = || (Bare::new(), Bare::new());
        let unstable = (seed, Weather::Unstable { seed });
        let layer = |name, does, run| Layer { name, does, run };
        let layers = vec![
            layer("frames", "length and tag first", carry(unstable, (Naive, Framed, Frames), bare())),
            layer("block hashes", "SHA-256 of every 16 KiB", {
                carry(unstable, (Naive, Framed, Blocks), bare())
            }),
            layer("manifest", "size and root of the whole file", {
                carry(unstable, (Naive, Plain, Root), bare())
            }),
            layer("Clear", "a channel without encryption", {
                carry(unstable, (Naive, Plain, Nothing), clear())
            }),
            layer("TLS 1.3", "every record is authenticated", {
                carry(unstable, (Naive, Plain, Nothing), tls(seed)?)
            }),
        ];
        Ok(Self {
            seed,
            calm: carry((seed, Weather::Calm), (Naive, Plain, Nothing), bare()),
            unstable: carry(unstable, (Naive, Plain, Nothing), bare()),
            messages: carry(unstable, (Real, Plain, ReadIsMessage), bare()),
            layers,
            pump: carry(unstable, (Real, Plain, Nothing), bare()),
            truecopy: carry(unstable, (Real, Framed, Blocks), tls(seed)?),
        })
    }

    /// As text for a terminal of 80 columns.
    pub fn text(&self) -> String {
        text::text(self)
    }

    /// As a picture that stands for itself.
    pub fn svg(&self) -> String {
        svg::svg(self)
    }
}

fn clear() -> (Clear, Clear) {
    let pool = Pool::default();
    let (left, right) = (NodeId([1; 32]), NodeId([2; 32]));
    (Clear::new(left, Some(right), pool.clone()), Clear::new(right, None, pool))
}

fn tls(seed: u64) -> Result<(Tls, Tls), TlsError> {
    let config = |side: u64| {
        let key = KeyPair::from_seed([side as u8; 32].into());
        let provider = Arc::clone(&seeded_provider(seed.wrapping_mul(2).wrapping_add(side)));
        TlsConfig::with(&key, provider, Pool::default()).map(|config| (key.node_id(), config))
    };
    let ((_, left), (id, right)) = (config(1)?, config(2)?);
    Ok((left.connect(Some(id))?, right.accept()?))
}

#[cfg(test)]
mod tests;
