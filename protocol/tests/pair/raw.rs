//! One node against a peer that speaks in raw bytes, and may say anything.

use std::time::Duration;

use truecopy_protocol::content::identity::{Nonce, ProofContext, Role, discovery_key, share_proof};
use truecopy_protocol::content::selection::Selection;
use truecopy_protocol::input::{Command, Fetch, Input, LinkLoss, Path, READ_MAX, Share, Swarming};
use truecopy_protocol::job::Job;
use truecopy_protocol::output::{Event, Failure, Goodbye, Output};
use truecopy_protocol::wire::{
    BlockRun, BlocksHead, ChunkRange, Decoder, Features, Hello, Info, Item, Message, PROTOCOL_VERSION, Prove,
    Proven,
};
use truecopy_protocol::{Candidate, Config, ConnId, ContentId, Node, NodeId, Now};

use crate::content::Content;
use crate::store::Store;
use crate::world::{SECRET, SHARE};

const US: NodeId = NodeId([1; 32]);
const THEM: NodeId = NodeId([2; 32]);
const NONCE: Nonce = Nonce([9; 32]);

/// What the node said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Message(Message),
    Blocks(BlocksHead),
}

pub(crate) struct Raw {
    pub(crate) node: Node,
    pub(crate) now: Now,
    pub(crate) content: Content,
    pub(crate) store: Store,
    pub(crate) events: Vec<Event>,
    pub(crate) hangup: Option<Goodbye>,
    pub(crate) said: Vec<Said>,
    /// Jobs wait here while it is not working.
    pub(crate) jobs: Vec<Job>,
    pub(crate) works: bool,
    /// Whether the peer takes what the node says.
    pub(crate) reads: bool,
    pub(crate) paused: bool,
    pub(crate) memory_high: u64,
    pub(crate) config: Config,
    decoder: Decoder,
    conn: ConnId,
    /// Who the peer is, from its next connection on.
    pub(crate) them: NodeId,
    role: Role,
    pub(crate) dials: Vec<ConnId>,
    peer_nonce: Nonce,
    /// What the peer proves that it knows.
    opens: ContentId,
}

impl Raw {
    fn new(content: &Content, config: Config) -> Self {
        Self {
            node: Node::new(config.clone(), [5; 32], Now::ZERO),
            now: Now::ZERO,
            content: content.clone(),
            store: Store::new(content),
            events: Vec::new(),
            hangup: None,
            said: Vec::new(),
            jobs: Vec::new(),
            works: true,
            reads: true,
            paused: false,
            memory_high: 0,
            config,
            decoder: Decoder::default(),
            conn: ConnId(1),
            them: THEM,
            role: Role::Responder,
            dials: Vec::new(),
            peer_nonce: Nonce([0; 32]),
            opens: content.manifest.content_id(),
        }
    }

    /// The node serves, the peer has just connected.
    pub(crate) fn receiver_of(content: &Content) -> Self {
        Self::receiver_with(content, Config::default())
    }

    pub(crate) fn receiver_with(content: &Content, config: Config) -> Self {
        let mut raw = Self::new(content, config);
        let Content { manifest, layers } = content.clone();
        raw.command(Command::Share(Share::new(SHARE, SECRET, manifest, layers)));
        raw.connect();
        raw
    }

    /// The node fetches, the peer has just been dialled.
    pub(crate) fn sender_of(content: &Content) -> Self {
        Self::sender_with(content, Config::default())
    }

    /// The node is in a room, the peer has just come.
    pub(crate) fn guest_of(content: &Content) -> Self {
        let mut raw = Self::new(content, Config::default());
        raw.opens = ContentId(truecopy_protocol::content::tree::leaf(b"truecopy/1 room").0);
        raw.command(Command::Room { room: SHARE, secret: SECRET, local: US, port: None });
        raw.connect();
        raw
    }

    /// The node fetches in a swarm, the peer has just been dialled.
    pub(crate) fn peer_of(content: &Content) -> Self {
        Self::dialled(content, Config::default(), Swarming::On)
    }

    pub(crate) fn sender_with(content: &Content, config: Config) -> Self {
        Self::dialled(content, config, Swarming::Off)
    }

    fn dialled(content: &Content, config: Config, swarm: Swarming) -> Self {
        let mut raw = Self::new(content, config);
        let address: Candidate = "127.0.0.1:1".parse().unwrap();
        let peers = vec![truecopy_protocol::input::PeerHint { key: Some(THEM), addresses: vec![address] }];
        let content = content.manifest.content_id();
        raw.command(Command::Fetch(Fetch { swarm, ..Fetch::new(SHARE, content, SECRET, peers) }));
        raw.role = Role::Initiator;
        raw.connect();
        raw
    }

    /// Another connection of the peer, after the last is gone.
    pub(crate) fn connect(&mut self) {
        self.conn = match self.role {
            Role::Responder => ConnId(self.conn.0 + 1),
            Role::Initiator => self.dials.pop().unwrap(),
        };
        (self.decoder, self.hangup) = (Decoder::default(), None);
        let (conn, role, peer) = (self.conn, self.role, self.them);
        self.handle(Input::Connected { conn, role, local: US, peer, path: Path::Memory });
    }

    pub(crate) fn lose(&mut self) {
        let conn = self.conn;
        self.handle(Input::Disconnected { conn, why: LinkLoss::Cut });
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.handle(Input::Command(command));
    }

    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input);
        self.settle();
    }

    fn settle(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.node.poll() {
                moved = true;
                match output {
                    Output::Dial { conn, .. } => self.dials.push(conn),
                    Output::Hangup { conn, why } if conn == self.conn => self.hangup = Some(why),
                    Output::Pause { .. } => self.paused = true,
                    Output::Resume { .. } => self.paused = false,
                    Output::Job(job) => self.jobs.push(job),
                    Output::Event(event) => self.events.push(event),
                    Output::Hangup { .. } | Output::Flush { .. } => {}
                }
            }
            self.memory_high = self.memory_high.max(self.node.memory());
            assert!(self.node.memory() <= self.config.memory_max(0));
            if self.works
                && let Some(job) = self.jobs.pop()
            {
                let done = self.store.work(job);
                self.node.handle(self.now, Input::Done(done));
                continue;
            }
            if self.reads {
                moved |= self.read();
            }
            if !moved {
                return;
            }
        }
    }

    fn read(&mut self) -> bool {
        let conn = self.conn;
        let bytes = self.node.sendable(conn, 100_000).concat();
        let mut rest = &bytes[..];
        while let Some(item) = self.decoder.next(&mut rest).unwrap() {
            match item {
                Item::Message(message) => {
                    if let Message::Hello(hello) = &message {
                        self.peer_nonce = hello.nonce;
                    }
                    self.said.push(Said::Message(message));
                }
                Item::Blocks(head) => self.said.push(Said::Blocks(head)),
                Item::Payload(_) => {}
            }
        }
        if !bytes.is_empty() {
            self.node.handle(self.now, Input::Sent { conn, len: bytes.len() });
        }
        !bytes.is_empty()
    }

    /// The peer sends these bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let conn = self.conn;
        for run in bytes.chunks(READ_MAX) {
            self.handle(Input::Received { conn, bytes: run });
        }
    }

    pub(crate) fn say(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        self.bytes(&bytes);
    }

    /// A frame of blocks with this payload.
    pub(crate) fn blocks(&mut self, blob: u32, block: u32, payload: &[u8]) {
        let mut bytes = frame(12, &[]);
        bytes[..4].copy_from_slice(&(payload.len() as u32 + 8).to_le_bytes());
        bytes.extend_from_slice(&blob.to_le_bytes());
        bytes.extend_from_slice(&block.to_le_bytes());
        bytes.extend_from_slice(payload);
        self.bytes(&bytes);
    }

    pub(crate) fn hello() -> Hello {
        let version = PROTOCOL_VERSION;
        Hello { version, version_min: version, features: Features::default(), nonce: NONCE }
    }

    pub(crate) fn proof(&self, role: Role) -> Message {
        let (initiator, responder, initiator_nonce, responder_nonce) = match self.role {
            Role::Responder => (self.them, US, NONCE, self.peer_nonce),
            Role::Initiator => (US, self.them, self.peer_nonce, NONCE),
        };
        let context = ProofContext { initiator, responder, initiator_nonce, responder_nonce };
        let content = self.opens;
        let proof = share_proof(&content, &SECRET, role, &context);
        match role {
            Role::Initiator => Message::Prove(Prove { discovery: discovery_key(&content, &SECRET), proof }),
            Role::Responder => Message::Proven(Proven { proof }),
        }
    }

    /// Greets and proves, as an honest peer would.
    pub(crate) fn open(&mut self) {
        self.open_to_a_goodbye();
        assert_eq!(self.hangup, None);
    }

    /// Greets and proves; the node may not want it.
    pub(crate) fn open_to_a_goodbye(&mut self) {
        self.say(&Message::Hello(Self::hello()));
        let proof = self.proof(self.role.other());
        self.say(&proof);
    }

    /// An honest sender's word what there is.
    pub(crate) fn offer(&mut self) {
        let identity = self.content.manifest.identity();
        self.say(&Message::Info(Info { size: identity.size, root: identity.root }));
        let count = self.content.manifest.chunk_count();
        self.say(&Message::Have(vec![ChunkRange { first: 0, count }]));
    }

    /// Gives the (small) manifest and accepts: requests for files follow.
    pub(crate) fn accepted(&mut self) {
        self.open();
        self.offer();
        let manifest = self.content.manifest.encoded().clone();
        self.blocks(0, 0, &manifest);
        self.command(Command::accept(SHARE, Selection::All));
        assert_eq!(self.hangup, None);
    }

    /// What the node has asked for.
    pub(crate) fn requests(&self) -> Vec<BlockRun> {
        let run = |said: &Said| match said {
            Said::Message(Message::Request(run)) => Some(*run),
            _ => None,
        };
        self.said.iter().filter_map(run).collect()
    }

    /// Time passes; the peer does nothing, or what `each` says every second.
    pub(crate) fn wait(&mut self, seconds: u64, mut each: impl FnMut(&mut Self)) {
        for _ in 0..seconds {
            self.now += Duration::from_secs(1);
            self.handle(Input::Timeout);
            each(self);
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.events.iter().find_map(|event| match event {
            Event::Failed { why, .. } => Some(*why),
            _ => None,
        })
    }
}

/// A frame with any tag and body.
pub(crate) fn frame(tag: u16, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&tag.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}
