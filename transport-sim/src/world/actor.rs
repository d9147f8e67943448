//! Senders that no node would be: hostile ones that follow a script, and honest ones of a later version. They speak
//! frames over the same links as everybody, and are no part of what is tested.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use truecopy_protocol::content::geometry::BLOCK;
use truecopy_protocol::content::identity::{Nonce, ProofContext, Role, share_proof};
use truecopy_protocol::content::tree::{HASHES_MAX, Layer, prove};
use truecopy_protocol::input::Input;
use truecopy_protocol::output::{Goodbye, Output};
use truecopy_protocol::wire::{
    BlockRun, ChunkRange, Decoder, Features, HashRange, Hashes, Hello, Info, Item, Message, PEERS_MAX,
    PeerAddress, Proven, Reject, RejectWhy,
};
use truecopy_protocol::{BlobId, ConnId, NodeId};

use super::SECRET;
use crate::content::{Content, bytes};
use crate::plan::Script;
use crate::stream::Random;

/// How an actor plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// It means harm.
    Hostile(Script),
    /// It speaks a later version: with features, messages that may be skipped, and longer bodies.
    Newer,
}

/// A frame that nobody knows and everybody may skip.
const SKIPPED: u16 = 4_001;

#[derive(Default)]
struct Talk {
    out: VecDeque<u8>,
    decoder: Decoder,
    keys: Option<(NodeId, NodeId)>,
    peer_nonce: Option<Nonce>,
}

/// A sender with a script.
pub(super) struct Actor {
    manner: Manner,
    content: Rc<Content>,
    talks: BTreeMap<ConnId, Talk>,
    draws: Random,
    /// Peers that it tells of.
    pub(super) gossip: Vec<PeerAddress>,
}

const NONCE: Nonce = Nonce([0x77; 32]);

impl Actor {
    pub(super) fn new(manner: Manner, content: Rc<Content>, seed: u64) -> Self {
        Self {
            manner,
            content,
            talks: BTreeMap::new(),
            draws: Random::new(seed, "actor"),
            gossip: Vec::new(),
        }
    }

    pub(super) fn sendable(&self, conn: ConnId, max: usize) -> Vec<&[u8]> {
        let Some(talk) = self.talks.get(&conn) else { return Vec::new() };
        let (front, back) = talk.out.as_slices();
        let front = &front[..front.len().min(max)];
        vec![front, &back[..back.len().min(max - front.len())]]
    }

    pub(super) fn handle(&mut self, input: &Input<'_>) -> Vec<Output> {
        match input {
            Input::Connected { conn, local, peer, .. } => {
                let talk = Talk { keys: Some((*local, *peer)), ..Talk::default() };
                self.talks.insert(*conn, talk);
                let (version, features) = match self.manner {
                    Manner::Hostile(_) => (1, 0),
                    Manner::Newer => (2, u64::MAX),
                };
                let features = Features(features);
                self.say(*conn, &Message::Hello(Hello { version, version_min: 1, features, nonce: NONCE }));
                vec![Output::Flush { conn: *conn }]
            }
            Input::Received { conn, bytes } => self.hear(*conn, bytes),
            Input::Sent { conn, len } => {
                if let Some(talk) = self.talks.get_mut(conn) {
                    talk.out.drain(..(*len).min(talk.out.len()));
                }
                Vec::new()
            }
            Input::Disconnected { conn, .. } => {
                self.talks.remove(conn);
                Vec::new()
            }
            Input::Done(_) | Input::Command(_) | Input::Clock(_) | Input::Timeout => Vec::new(),
        }
    }

    fn say(&mut self, conn: ConnId, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        if self.manner == Manner::Newer {
            // Trailing bytes of a body must be ignored; so must frames with unknown odd tags.
            let len = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) + 3;
            bytes[..4].copy_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&[9, 9, 9]);
            bytes.extend_from_slice(&5_u32.to_le_bytes());
            bytes.extend_from_slice(&SKIPPED.to_le_bytes());
            bytes.extend_from_slice(b"later");
        }
        self.raw(conn, &bytes);
    }

    fn raw(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(talk) = self.talks.get_mut(&conn) {
            talk.out.extend(bytes);
        }
    }

    fn hear(&mut self, conn: ConnId, mut bytes: &[u8]) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(talk) = self.talks.get_mut(&conn) {
            match talk.decoder.next(&mut bytes) {
                Ok(Some(Item::Message(Message::Goodbye(reason)))) => {
                    outputs.push(Output::Hangup { conn, why: Goodbye::Heard(reason) });
                }
                Ok(Some(Item::Message(message))) => self.answer(conn, message),
                Ok(Some(Item::Blocks(_) | Item::Payload(_))) => {}
                // Damaged on the way: whoever damaged it is not tested here.
                Ok(None) | Err(_) => break,
            }
        }
        outputs.push(Output::Flush { conn });
        outputs
    }

    fn answer(&mut self, conn: ConnId, message: Message) {
        match message {
            Message::Hello(hello) => {
                if let Some(talk) = self.talks.get_mut(&conn) {
                    talk.peer_nonce = Some(hello.nonce);
                }
            }
            Message::Prove(_) => self.open(conn),
            Message::Request(run) => self.serve(conn, run),
            Message::HashRequest(range) => self.hashes(conn, range),
            Message::Corrupt(corrupt) => self.say(conn, &Message::Intact(corrupt)),
            Message::Ping(number) => self.say(conn, &Message::Pong(number)),
            _ => {}
        }
    }

    fn open(&mut self, conn: ConnId) {
        let Some(Talk { keys: Some((local, peer)), peer_nonce: Some(nonce), .. }) = self.talks.get(&conn)
        else {
            return;
        };
        let context = ProofContext {
            initiator: *peer,
            responder: *local,
            initiator_nonce: *nonce,
            responder_nonce: NONCE,
        };
        let manifest = Rc::clone(&self.content).manifest.clone();
        let proof = share_proof(&manifest.content_id(), &SECRET, Role::Responder, &context);
        self.say(conn, &Message::Proven(Proven { proof }));
        let identity = manifest.identity();
        self.say(conn, &Message::Info(Info { size: identity.size, root: identity.root }));
        let count = manifest.chunk_count();
        if count > 0 {
            self.say(conn, &Message::Have(vec![ChunkRange { first: 0, count }]));
        }
        if !self.gossip.is_empty() {
            let gossip = self.gossip.clone();
            gossip.chunks(PEERS_MAX).for_each(|peers| self.say(conn, &Message::Peers(peers.to_vec())));
        }
        if self.manner == Manner::Hostile(Script::Noise) {
            let noise: Vec<u8> = (0..300).map(|_| self.draws.draw() as u8).collect();
            self.raw(conn, &noise);
        }
    }

    fn true_bytes(&self, run: BlockRun) -> Vec<u8> {
        let content = Rc::clone(&self.content);
        let all = match BlobId(run.blob).entry() {
            None => &content.manifest.encoded()[..],
            Some(entry) => content.truth(entry).unwrap_or_default(),
        };
        let start = (u64::from(run.block) * BLOCK).min(all.len() as u64) as usize;
        let end = (start + run.count as usize * BLOCK as usize).min(all.len());
        all[start..end].to_vec()
    }

    fn serve(&mut self, conn: ConnId, run: BlockRun) {
        let mut payload = self.true_bytes(run);
        let mut head = run;
        let mut lie = 0;
        // The manifest is given rightly, so that the harm comes later.
        if let (Manner::Hostile(script), Some(entry)) = (self.manner, BlobId(run.blob).entry()) {
            match script {
                Script::WrongBytes => {
                    if self.draws.below(2) == 0 {
                        let at = self.draws.below(payload.len());
                        payload[at] ^= 1 << self.draws.below(8);
                    }
                }
                Script::OldVersion => {
                    let offset = u64::from(run.block) * BLOCK;
                    payload = bytes(self.content.number(entry).unwrap_or(0), 1, offset, payload.len());
                }
                Script::WrongIndex => head.block += 1 + self.draws.below(3) as u32,
                Script::WrongLength => lie = 1 + self.draws.below(100) as u32,
                Script::LyingHave => {
                    return self.say(conn, &Message::Reject(Reject { run, why: RejectWhy::Absent }));
                }
                Script::WrongReject => {
                    let run = BlockRun { count: run.count + 1, ..run };
                    return self.say(conn, &Message::Reject(Reject { run, why: RejectWhy::Absent }));
                }
                Script::Silent => return,
                Script::WrongHashes | Script::Noise | Script::FalsePeers => {}
            }
        }
        let mut frame = (payload.len() as u32 + 8 + lie).to_le_bytes().to_vec();
        frame.extend_from_slice(&12_u16.to_le_bytes());
        frame.extend_from_slice(&head.blob.to_le_bytes());
        frame.extend_from_slice(&head.block.to_le_bytes());
        frame.extend_from_slice(&payload);
        self.raw(conn, &frame);
    }

    fn hashes(&mut self, conn: ConnId, range: HashRange) {
        let content = Rc::clone(&self.content);
        let Some(entry) = BlobId(range.blob).entry() else { return };
        let (Some(shape), Some(layer)) = (content.manifest.shape(entry), content.layers.layer(entry)) else {
            return;
        };
        let chunks = Layer::chunks(&shape);
        let asked = chunks.ranges().find(|known| known.first() == u64::from(range.first));
        let Some(of) = asked else { return };
        let end = (range.first as usize + HASHES_MAX as usize).min(layer.len());
        let mut hashes = layer[range.first as usize..end].to_vec();
        if self.manner == Manner::Hostile(Script::WrongHashes) && self.draws.below(2) == 0 {
            hashes[0].0[0] ^= 1;
        }
        let proof = prove(layer, &of);
        self.say(conn, &Message::Hashes(Hashes { range, hashes, proof }));
    }
}
