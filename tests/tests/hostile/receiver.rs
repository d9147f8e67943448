//! Receivers that are up to no good, against the real sender. They lose, and nobody else does.

mod asking;
mod crowd;
mod forgery;
mod strangers;

use std::fs;
use std::time::{Duration, Instant};

use truecopy_transport::keys::KeyPair;

use super::host::{End, Receiver, SECRET, Sender, config};
use super::invented::noise;
use super::wire::{Ending, Wire};
use super::world::World;

/// MiB that an attack may cost the process, the honest receiver in it included.
const COST_MAX: u64 = 96;

/// An honest sender of one large file and some small ones, and honest receivers of it.
struct Scene {
    source: tempfile::TempDir,
    sender: Sender,
}

impl Scene {
    fn new(large: usize) -> Self {
        Self::with(large, config())
    }

    fn with(large: usize, config: truecopy_mio::ReactorConfig) -> Self {
        let source = tempfile::tempdir().unwrap();
        fs::create_dir(source.path().join("share")).unwrap();
        fs::write(source.path().join("share/large"), noise(1, large)).unwrap();
        for number in 0..20 {
            fs::write(source.path().join(format!("share/small {number}")), noise(number, 3000)).unwrap();
        }
        let sender = Sender::of(&source.path().join("share"), config);
        Self { source, sender }
    }

    /// A connection with a proven key.
    fn connect(&self) -> Wire {
        Wire::connect(&KeyPair::generate().unwrap(), self.sender.host.address()).unwrap()
    }

    /// An open session, past the sender's first words.
    fn open(&self) -> Wire {
        let mut wire = self.connect();
        wire.open(self.sender.content_id(), SECRET).unwrap();
        // `info` and `have`.
        wire.message().unwrap();
        wire.message().unwrap();
        wire
    }

    /// An honest receiver gets everything; how long it took.
    #[track_caller]
    fn serves(&self) -> Duration {
        let (world, begun) = (World::new(), Instant::now());
        let end = Receiver::new(&world.dest()).fetch(&self.sender);
        assert!(matches!(end, End::Placed(outcome) if outcome.placed == 21), "{end:?}");
        let took = begun.elapsed();
        for name in ["share/large", "share/small 7"] {
            let same = fs::read(world.dest().join(name)).unwrap()
                == fs::read(self.source.path().join(name)).unwrap();
            assert!(same, "{name}");
        }
        took
    }
}

/// It was told that it misbehaved, soon.
#[track_caller]
fn misbehaved(what: &str, ending: &Ending) {
    assert_eq!(ending.said, Some(truecopy_protocol::wire::Reason::Misbehaved), "{what}: {ending:?}");
    assert!(ending.took < Duration::from_secs(10), "{what}: {ending:?}");
}
