//! A peer that says whatever it is told to: a real channel, and raw frames in it.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use truecopy_protocol::content::identity::{Nonce, ProofContext, Role, discovery_key, share_proof};
use truecopy_protocol::wire::{
    BlocksHead, Decoder, Features, Hello, Item, Message, PROTOCOL_MIN, PROTOCOL_VERSION, Prove, Proven,
    Reason,
};
use truecopy_protocol::{AccessSecret, ContentId, NodeId};
use truecopy_transport::channel::tls::{Tls, TlsConfig};
use truecopy_transport::channel::{Channel, ChannelEvent};
use truecopy_transport::keys::KeyPair;

use super::world::PATIENCE;

/// What the other side said.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Message),
    /// A whole frame of blocks.
    Blocks(BlocksHead),
    /// It ended its direction properly, or cut the connection.
    End,
}

/// Our end of one connection.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    channel: Tls,
    decoder: Decoder,
    heard: VecDeque<Heard>,
    /// The frame of blocks that is coming in, and how much of it is still to come.
    blocks: Option<(BlocksHead, usize)>,
    role: Role,
    pub(crate) local: NodeId,
    pub(crate) peer: NodeId,
    pub(crate) nonce: Nonce,
    pub(crate) peer_nonce: Nonce,
}

/// The hello of a peer like us.
pub(crate) fn hello(nonce: Nonce) -> Message {
    Message::Hello(Hello {
        version: PROTOCOL_VERSION,
        version_min: PROTOCOL_MIN,
        features: Features::default(),
        nonce,
    })
}

/// A frame as it stands on the wire, true or not.
pub(crate) fn frame(len: u32, tag: u16, body: &[u8]) -> Vec<u8> {
    [&len.to_le_bytes()[..], &tag.to_le_bytes()[..], body].concat()
}

/// A `blocks` frame.
pub(crate) fn blocks(blob: u32, block: u32, payload: &[u8]) -> Vec<u8> {
    let body = [&blob.to_le_bytes()[..], &block.to_le_bytes()[..], payload].concat();
    frame(body.len() as u32, 12, &body)
}

impl Wire {
    pub(crate) fn connect(key: &KeyPair, to: SocketAddr) -> io::Result<Self> {
        let channel = TlsConfig::new(key).unwrap().connect(None).unwrap();
        Self::over(key, TcpStream::connect(to)?, channel, Role::Initiator)
    }

    pub(crate) fn accept(key: &KeyPair, stream: TcpStream) -> io::Result<Self> {
        let channel = TlsConfig::new(key).unwrap().accept().unwrap();
        Self::over(key, stream, channel, Role::Responder)
    }

    fn over(key: &KeyPair, stream: TcpStream, channel: Tls, role: Role) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Self {
            stream,
            channel,
            decoder: Decoder::default(),
            heard: VecDeque::new(),
            blocks: None,
            role,
            local: key.node_id(),
            peer: NodeId([0; 32]),
            nonce: Nonce([role as u8 + 1; 32]),
            peer_nonce: Nonce([0; 32]),
        };
        wire.flush()?;
        while wire.peer == NodeId([0; 32]) {
            wire.gather()?;
        }
        Ok(wire)
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.channel.outgoing().is_empty() {
            let len = self.stream.write(self.channel.outgoing())?;
            self.channel.taken(len);
        }
        Ok(())
    }

    /// Reads once, and takes apart what came.
    fn gather(&mut self) -> io::Result<()> {
        self.take_apart()?;
        if !self.heard.is_empty() {
            return Ok(());
        }
        let len = self.stream.read(self.channel.space())?;
        match len {
            0 => self.channel.ended(),
            len => self.channel.filled(len),
        }
        self.take_apart()
    }

    fn take_apart(&mut self) -> io::Result<()> {
        loop {
            let mut plain = Vec::new();
            match self.channel.next_event(&mut |bytes| plain.extend_from_slice(bytes)) {
                Ok(ChannelEvent::Proven { peer, .. }) => self.peer = peer,
                Ok(ChannelEvent::Plaintext) => self.decode(&plain),
                Ok(ChannelEvent::Closed) => {
                    self.heard.push_back(Heard::End);
                    return Ok(());
                }
                Ok(ChannelEvent::Starved) => return self.flush(),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }

    fn decode(&mut self, mut plain: &[u8]) {
        while let Some(item) = self.decoder.next(&mut plain).expect("an honest node sends frames") {
            match item {
                Item::Message(message) => self.heard.push_back(Heard::Message(message)),
                Item::Blocks(head) => self.blocks = Some((head, head.len as usize)),
                Item::Payload(bytes) => {
                    let Some((head, left)) = self.blocks.take() else { panic!("payload without head") };
                    match left - bytes.len() {
                        0 => self.heard.push_back(Heard::Blocks(head)),
                        left => self.blocks = Some((head, left)),
                    }
                }
            }
        }
    }

    /// What the other side says next; an error when the connection was cut or nothing came in time.
    pub(crate) fn hear(&mut self) -> io::Result<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Ok(heard);
            }
            self.gather()?;
        }
    }

    /// The next message; blocks on the way are dropped.
    pub(crate) fn message(&mut self) -> io::Result<Message> {
        loop {
            match self.hear()? {
                Heard::Message(message) => return Ok(message),
                Heard::Blocks(..) => {}
                Heard::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// Says these bytes, whatever they mean.
    pub(crate) fn raw(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let len = self.channel.room().min(bytes.len());
            if len > 0 {
                self.channel.seal(&bytes[..len]);
                self.channel.flush();
                bytes = &bytes[len..];
            }
            self.flush()?;
        }
        Ok(())
    }

    pub(crate) fn say(&mut self, messages: &[Message]) -> io::Result<()> {
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.encode(&mut bytes));
        self.raw(&bytes)
    }

    /// Says hello, and hears it.
    pub(crate) fn greet(&mut self) -> io::Result<()> {
        self.say(&[hello(self.nonce)])?;
        match self.message()? {
            Message::Hello(hello) => self.peer_nonce = hello.nonce,
            other => panic!("{other:?} instead of a hello"),
        }
        Ok(())
    }

    pub(crate) fn context(&self) -> ProofContext {
        let (ours, theirs) = ((self.local, self.nonce), (self.peer, self.peer_nonce));
        let (initiator, responder) = match self.role {
            Role::Initiator => (ours, theirs),
            Role::Responder => (theirs, ours),
        };
        ProofContext {
            initiator: initiator.0,
            responder: responder.0,
            initiator_nonce: initiator.1,
            responder_nonce: responder.1,
        }
    }

    /// A receiver's way into a share: what it says to prove that it knows it.
    pub(crate) fn prove(&self, content: ContentId, secret: AccessSecret) -> Message {
        let proof = share_proof(&content, &secret, Role::Initiator, &self.context());
        Message::Prove(Prove { discovery: discovery_key(&content, &secret), proof })
    }

    /// Opens the session as a receiver.
    pub(crate) fn open(&mut self, content: ContentId, secret: AccessSecret) -> io::Result<()> {
        self.greet()?;
        self.say(&[self.prove(content, secret)])?;
        match self.message()? {
            Message::Proven(_) => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// Opens the session as a sender.
    pub(crate) fn admit(&mut self, content: ContentId, secret: AccessSecret) -> io::Result<()> {
        self.greet()?;
        match self.message()? {
            Message::Prove(_) => {}
            other => panic!("{other:?} instead of a proof"),
        }
        let proof = share_proof(&content, &secret, Role::Responder, &self.context());
        self.say(&[Message::Proven(Proven { proof })])
    }

    /// Listens until the other side ends the connection, and says with what words.
    pub(crate) fn until_end(&mut self) -> Ending {
        let begun = Instant::now();
        let mut said = None;
        loop {
            match self.hear() {
                Ok(Heard::Message(Message::Goodbye(reason))) => said = Some(reason),
                Ok(Heard::End) => return Ending { said, took: begun.elapsed() },
                Ok(_) => {}
                Err(error) if is_patience(&error) => panic!("the connection does not end"),
                Err(_) => return Ending { said, took: begun.elapsed() },
            }
        }
    }
}

/// Whether an error is that nothing happened for too long.
pub(crate) fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) said: Option<Reason>,
    pub(crate) took: Duration,
}
