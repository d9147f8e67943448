//! A cryptography provider whose every random byte comes from a seed. **FOR SIMULATION ALONE.**
//!
//! **Whoever knows the seed reads everything**: the private keys of the key exchange are drawn from it, by a generator
//! that anybody can predict. That is what it is for: equal seeds give equal bytes on the wire, so that a run under TLS
//! can be run again. It lives in this crate because no socket driver depends on it; the provider that sockets use is
//! [`truecopy_transport::channel::tls::provider`], and nothing here changes that one.
//!
//! Beside the seed, the bytes of a connection depend on the keys of both sides (Ed25519 signs without randomness), on
//! what is sent, on the order of the connections of one provider, and on the processor: with AES of its own it names
//! another cipher first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use aws_lc_rs::agreement::{PrivateKey, PublicKey, UnparsedPublicKey, X25519, agree};
use rustls::crypto::{ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::crypto::{SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};
use truecopy_transport::channel::tls::provider;

use crate::stream::Random;

/// A provider for [`TlsConfig::with`](truecopy_transport::channel::tls::TlsConfig::with) that draws everything random,
/// the private keys of the key exchange too, from `seed`: **no secret at all, for simulation alone.**
///
/// Every call starts the sequence of its seed anew. Give each simulated host a provider of its own: the connections of
/// one provider take turns at one sequence.
pub fn seeded_provider(seed: u64) -> Arc<CryptoProvider> {
    let mut slots = locked(&SLOTS);
    // What rustls wants to live for ever is used again when nobody holds its provider any more: thousands of runs in
    // one process take the memory of one.
    let at = slots.iter().position(|slot| slot.holder.strong_count() == 0).unwrap_or_else(|| {
        slots.push(Slot { draws: Box::leak(Box::default()), holder: Weak::new() });
        slots.len() - 1
    });
    let slot = &mut slots[at];
    *locked(&slot.draws.0) = Some(Sequences::new(seed));
    let provider = CryptoProvider { kx_groups: vec![slot.draws], secure_random: slot.draws, ..provider() };
    let provider = Arc::new(provider);
    slot.holder = Arc::downgrade(&provider);
    provider
}

/// The draws of one provider, and who holds it.
struct Slot {
    draws: &'static Draws,
    holder: Weak<CryptoProvider>,
}

static SLOTS: Mutex<Vec<Slot>> = Mutex::new(Vec::new());

#[derive(Debug, Default)]
struct Draws(Mutex<Option<Sequences>>);

#[derive(Debug)]
struct Sequences {
    bytes: Random,
    exchange: Random,
}

impl Sequences {
    fn new(seed: u64) -> Self {
        Self { bytes: Random::new(seed, "tls/bytes"), exchange: Random::new(seed, "tls/exchange") }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fill(random: &mut Random, buf: &mut [u8]) {
    for chunk in buf.chunks_mut(8) {
        chunk.copy_from_slice(&random.draw().to_le_bytes()[..chunk.len()]);
    }
}

impl SecureRandom for Draws {
    fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
        let mut sequences = locked(&self.0);
        fill(&mut sequences.as_mut().ok_or(GetRandomFailed)?.bytes, buf);
        Ok(())
    }
}

impl SupportedKxGroup for Draws {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let mut seed = [0; 32];
        fill(&mut locked(&self.0).as_mut().ok_or(GetRandomFailed)?.exchange, &mut seed);
        let private = PrivateKey::from_private_key(&X25519, &seed).map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// A key exchange under way.
struct Exchange {
    private: PrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        let peer = UnparsedPublicKey::new(&X25519, peer_pub_key);
        let bad = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        agree(&self.private, peer, bad, |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

#[cfg(test)]
mod tests;
