//! A sender that serves whatever it invented, against the real receiver.

mod bytes;
mod links;
mod names;
mod sizes;
mod talk;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use truecopy_protocol::NodeId;
use truecopy_protocol::content::manifest::{Manifest, ManifestError, ManifestLimits};
use truecopy_protocol::content::tree::{OneByOne, subtree};
use truecopy_protocol::output::Failure;
use truecopy_protocol::wire::{ChunkRange, Hashes, Info, Message};
use truecopy_transport::keys::KeyPair;

use super::host::{End, Receiver, SECRET};
use super::invented::Invented;
use super::wire::{Heard, Wire, blocks};
use super::world::World;

/// What the script did with a message.
pub(crate) enum Done {
    /// Answered it, or not, as it likes.
    Mine,
    /// An honest sender's answer is wanted.
    Honest,
}

/// A hostile sender on a thread of its own; it serves one connection after another.
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    pub(crate) id: NodeId,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What an honest sender says first.
pub(crate) fn greeting(content: &Invented) -> Vec<Message> {
    let identity = content.identity();
    let manifest = Manifest::decode(content.manifest.clone().into(), &ManifestLimits::default());
    // A receiver that does not know the manifest cannot know how many chunks there are.
    let all = ChunkRange { first: 0, count: manifest.map_or(u32::MAX, |manifest| manifest.chunk_count()) };
    vec![Message::Info(Info { size: identity.size, root: identity.root }), Message::Have(vec![all])]
}

impl Hostile {
    /// Serves honestly what is invented.
    pub(crate) fn serving(content: Invented) -> Self {
        let greeting = greeting(&content);
        Self::scripted(content, greeting, |_, _, _| Ok(Done::Honest))
    }

    /// Says `greeting` once the session is open, then asks the script about each message.
    pub(crate) fn scripted(
        content: Invented,
        greeting: Vec<Message>,
        mut script: impl FnMut(&mut Wire, &Message, &Invented) -> io::Result<Done> + Send + 'static,
    ) -> Self {
        Self::raw(move |wire| {
            wire.admit(content.content_id(), SECRET)?;
            wire.say(&greeting)?;
            while let Heard::Message(message) = wire.hear()? {
                if let Done::Honest = script(wire, &message, &content)? {
                    if matches!(message, Message::Goodbye(_)) {
                        return Ok(());
                    }
                    answer(wire, &message, &content)?;
                }
            }
            Ok(())
        })
    }

    /// Does with each connection what the script says, from the proven channel on.
    pub(crate) fn raw(mut script: impl FnMut(&mut Wire) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, key) = (listener.local_addr().unwrap(), KeyPair::generate().unwrap());
        let (over, id) = (Arc::new(AtomicBool::new(false)), key.node_id());
        let stop = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // A receiver that hangs up is what most of these tests are about.
                if let Ok(mut wire) = stream.and_then(|stream| Wire::accept(&key, stream)) {
                    let _ = script(&mut wire);
                }
            }
        });
        Self { address, id, over, thread: Some(thread) }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take()
            && !std::thread::panicking()
        {
            thread.join().unwrap();
        }
    }
}

/// What an honest sender would say.
pub(crate) fn answer(wire: &mut Wire, message: &Message, content: &Invented) -> io::Result<()> {
    match message {
        Message::Request(run) => {
            let blob = content.blob(run.blob);
            let start = (run.block as usize * 16_384).min(blob.len());
            let end = (start + run.count as usize * 16_384).min(blob.len());
            wire.raw(&blocks(run.blob, run.block, &blob[start..end]))
        }
        Message::HashRequest(range) => {
            let chunks = content.blob(range.blob).chunks(1 << 18);
            let hashes = chunks.map(|chunk| subtree(&OneByOne, chunk, 4)).collect();
            wire.say(&[Message::Hashes(Hashes { range: *range, hashes, proof: vec![] })])
        }
        Message::Corrupt(corrupt) => wire.say(&[Message::Intact(*corrupt)]),
        Message::Ping(word) => wire.say(&[Message::Pong(*word)]),
        _ => Ok(()),
    }
}

/// The receiver gets this offer; how it ends.
#[track_caller]
pub(crate) fn offered(world: &World, content: Invented) -> End {
    let (id, hostile) = (content.content_id(), Hostile::serving(content));
    fetch(&Receiver::new(&world.dest()), id, &hostile)
}

#[track_caller]
pub(crate) fn fetch(receiver: &Receiver<'_>, content: truecopy_protocol::ContentId, from: &Hostile) -> End {
    receiver.seek(content, Some(from.id), from.address);
    receiver.run(|_| {})
}

/// The offer is refused for this reason, and nothing came of it.
#[track_caller]
pub(crate) fn refused(content: Invented) -> ManifestError {
    let world = World::new();
    match offered(&world, content) {
        End::Failed(Failure::BadOffer(why)) => {
            world.untouched();
            assert_eq!(std::fs::read_dir(world.dest()).unwrap().count(), 0, "not even a staging");
            why
        }
        other => panic!("not refused: {other:?}"),
    }
}
