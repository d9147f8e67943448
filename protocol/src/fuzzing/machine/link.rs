//! The other end of a connection: what it heard from the node, and what it can say that makes sense.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::content::Content;
use crate::content::identity::{Nonce, ProofContext, Role, discovery_key, share_proof};
use crate::content::tree::{self, Layer};
use crate::swarm::hashes::range_at;
use crate::wire::{
    BlockRun, BlocksHead, ChunkRange, Corrupt, Decoder, Features, HashRange, Hashes, Hello, Info, Item,
    Message, PROTOCOL_VERSION, Prove, Proven, Reject, RejectWhy,
};
use crate::{AccessSecret, BlobId, ConnId, ContentId, NodeId, ShareId};

/// Our key.
pub(super) const US: NodeId = NodeId([1; 32]);
/// The secret of every share.
pub(super) const SECRET: AccessSecret = AccessSecret([3; 32]);
const NONCE: Nonce = Nonce([9; 32]);
/// Open questions that are remembered.
const OPEN_MAX: usize = 64;

/// Whether the driver may deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Open,
    Paused,
}

/// Whether the node has hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Up,
    HungUp,
}

/// A proven connection, seen from its other end.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    /// The node's role.
    pub(super) role: Role,
    pub(super) peer: NodeId,
    pub(super) reading: Reading,
    pub(super) standing: Standing,
    /// Bytes on their way to the node.
    pub(super) flying: VecDeque<u8>,
    pub(super) requests: VecDeque<BlockRun>,
    pub(super) hash_requests: VecDeque<HashRange>,
    pub(super) doubts: VecDeque<Corrupt>,
    /// The share that it has proven to know.
    pub(super) share: Option<ShareId>,
    /// Words and acknowledgements that it has said, and that it has heard, which nobody has looked at yet.
    pub(super) said: Vec<Message>,
    pub(super) heard: Vec<Message>,
    /// Run and number of the last word that it has heard.
    pub(super) line: Option<(u64, u64)>,
    /// What it asked the node for.
    asked: Vec<BlockRun>,
    decoder: Decoder,
    /// What it says itself, until that is no message.
    spoken: Option<Decoder>,
    nonce: Option<Nonce>,
    /// The frame of blocks that is coming from the node, and how much of it came.
    incoming: Option<(BlocksHead, usize)>,
}

impl Link {
    pub(super) fn new(conn: ConnId, role: Role, peer: NodeId) -> Self {
        Self {
            conn,
            role,
            peer,
            reading: Reading::Open,
            standing: Standing::Up,
            flying: VecDeque::new(),
            requests: VecDeque::new(),
            hash_requests: VecDeque::new(),
            doubts: VecDeque::new(),
            share: None,
            said: Vec::new(),
            heard: Vec::new(),
            line: None,
            asked: Vec::new(),
            decoder: Decoder::default(),
            spoken: Some(Decoder::default()),
            nonce: None,
            incoming: None,
        }
    }

    /// Says something: bytes are on their way to the node.
    pub(super) fn speak(&mut self, bytes: &[u8]) {
        self.flying.extend(bytes);
        let mut rest = bytes;
        while let Some(spoken) = &mut self.spoken {
            match spoken.next(&mut rest) {
                Ok(Some(Item::Message(Message::Request(run)))) if self.asked.last() != Some(&run) => {
                    self.asked.push(run);
                }
                Ok(Some(Item::Message(message @ (Message::Line(_) | Message::Heard(_))))) => {
                    self.said.push(message);
                }
                Ok(Some(_)) => {}
                Ok(None) => return,
                Err(_) => self.spoken = None,
            }
        }
    }

    /// Takes what the node sends: it keeps to the protocol, and its blocks are those of the content.
    pub(super) fn hear(&mut self, mut bytes: &[u8], content: Option<&Content>) {
        loop {
            let item = match self.decoder.next(&mut bytes) {
                Ok(Some(item)) => item,
                Ok(None) => return,
                Err(error) => panic!("the node's own frames are good: {error}"),
            };
            match item {
                Item::Message(message) => {
                    self.nonce = match &message {
                        Message::Hello(hello) => Some(hello.nonce),
                        _ => self.nonce,
                    };
                    match message {
                        Message::Request(run) => keep(&mut self.requests, run),
                        Message::HashRequest(range) => keep(&mut self.hash_requests, range),
                        Message::Corrupt(corrupt) => keep(&mut self.doubts, corrupt),
                        Message::Line(ref line) => {
                            self.line = Some((line.life, line.number));
                            self.heard.push(message);
                        }
                        Message::Heard(_) => self.heard.push(message),
                        _ => {}
                    }
                }
                Item::Blocks(head) => self.incoming = Some((head, 0)),
                Item::Payload(run) => {
                    let Some((head, got)) = &mut self.incoming else { panic!("payload follows its head") };
                    check_payload(&self.asked, *head, *got, run, content);
                    *got += run.len();
                }
            }
        }
    }

    /// Who it is to the node: a source if the node dialled.
    pub(super) const fn is_source(&self) -> bool {
        matches!(self.role, Role::Initiator)
    }

    pub(super) fn hello() -> Message {
        let version = PROTOCOL_VERSION;
        Message::Hello(Hello { version, version_min: version, features: Features::default(), nonce: NONCE })
    }

    /// The proof of knowing a share or a room; it is right once the node's hello was heard.
    pub(super) fn proof(&self, content: &ContentId) -> Message {
        let nonce = self.nonce.unwrap_or(Nonce([0; 32]));
        let (initiator, responder, initiator_nonce, responder_nonce) = match self.role {
            Role::Responder => (self.peer, US, NONCE, nonce),
            Role::Initiator => (US, self.peer, nonce, NONCE),
        };
        let context = ProofContext { initiator, responder, initiator_nonce, responder_nonce };
        let proof = share_proof(content, &SECRET, self.role.other(), &context);
        match self.role.other() {
            Role::Initiator => Message::Prove(Prove { discovery: discovery_key(content, &SECRET), proof }),
            Role::Responder => Message::Proven(Proven { proof }),
        }
    }

    pub(super) fn info(content: &Content) -> Message {
        let identity = content.manifest.identity();
        Message::Info(Info { size: identity.size, root: identity.root })
    }

    pub(super) fn have(content: &Content) -> Message {
        Message::Have(alloc::vec![ChunkRange { first: 0, count: content.manifest.chunk_count() }])
    }

    /// The chunk hashes that the node asked for.
    pub(super) fn hashes(content: &Content, range: HashRange) -> Option<Hashes> {
        let shape = content.shape(BlobId(range.blob))?;
        let layer = content.layer(BlobId(range.blob));
        let asked = range_at(&shape, range.first)?;
        let first = range.first as usize;
        let hashes = layer.get(first..first + asked.hashes())?.to_vec();
        debug_assert_eq!(asked.layer(), Layer::chunks(&shape));
        let proof = tree::prove(&layer, &asked);
        Some(Hashes { range, hashes, proof })
    }

    pub(super) const fn reject(run: BlockRun, why: RejectWhy) -> Message {
        Message::Reject(Reject { run, why })
    }
}

fn keep<T>(open: &mut VecDeque<T>, what: T) {
    if open.len() < OPEN_MAX {
        open.push_back(what);
    }
}

/// The frame of some blocks.
pub(super) fn frame(blob: u32, block: u32, payload: &[u8]) -> Vec<u8> {
    // A payload of ours is at most a span.
    let mut bytes = BlocksHead { blob, block, len: payload.len() as u32 }.encode().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// The node sends what was asked for, as it is.
fn check_payload(asked: &[BlockRun], head: BlocksHead, got: usize, run: &[u8], content: Option<&Content>) {
    let Some(content) = content else { panic!("only one who has proven a share is sent blocks") };
    let sent = BlockRun { blob: head.blob, block: head.block, count: head.len.div_ceil(16 * 1024) };
    assert_eq!(content.run(sent).get(got..got + run.len()), Some(run), "blocks are those of the content");
    let is_asked = |asked: &BlockRun| {
        let end = |run: &BlockRun| u64::from(run.block) + u64::from(run.count);
        asked.blob == sent.blob && asked.block <= sent.block && end(&sent) <= end(asked)
    };
    assert!(asked.iter().any(is_asked), "only what was asked for is sent");
}
