//! A tap on the plaintext of one connection, outside of the code under test.

use std::collections::{BTreeSet, VecDeque};

use truecopy_protocol::content::geometry::BLOCK;
use truecopy_protocol::wire::{BlocksHead, Decoder, Item, Message, RejectWhy};
use truecopy_protocol::{BlobId, ConnId};

use super::{Checked, Finding, Oracle, first_difference};
use crate::content::Content;
use crate::plan::Way;

/// One direction of plaintext.
#[derive(Debug, Default)]
struct Lane {
    /// What was produced and not consumed.
    under_way: VecDeque<u8>,
    produced: u64,
    consumed: u64,
    decoder: Option<Decoder>,
    payload: Option<(BlocksHead, u64)>,
    /// Bytes of files that were sent, since somebody asked.
    given: u64,
}

/// Something that an end has said and that is judged together with what others say.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Message(Message),
    /// Blocks begin.
    Blocks(BlocksHead),
}

/// Whether the order of bytes must hold on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// What is consumed is a prefix of what was produced.
    #[default]
    Kept,
    /// Bytes are damaged on the way, and the channel does not see it: the layers above must.
    Damaged,
}

/// A tap on both directions.
#[derive(Debug)]
pub(crate) struct Tap {
    down: Lane,
    up: Lane,
    order: Order,
    /// Blocks that one end said it does not have, by its direction, blob and first block.
    absent: BTreeSet<(Way, u32, u32)>,
    /// The names of messages seen, to be counted.
    pub(crate) seen: Vec<&'static str>,
    /// What was said since this was last taken.
    pub(crate) said: Vec<Said>,
    /// The ends whose core has the connection, by the direction that they write.
    pub(crate) met: BTreeSet<Way>,
}

impl Tap {
    pub(crate) fn new(order: Order) -> Self {
        let lane = || Lane { decoder: Some(Decoder::default()), ..Lane::default() };
        let (absent, met) = (BTreeSet::new(), BTreeSet::new());
        Self { down: lane(), up: lane(), order, absent, seen: Vec::new(), said: Vec::new(), met }
    }

    const fn lane(&mut self, way: Way) -> &mut Lane {
        match way {
            Way::Down => &mut self.down,
            Way::Up => &mut self.up,
        }
    }

    /// Plaintext went into a channel. If `truth` is given, blocks must be those of the share (S5).
    pub(crate) fn sent(&mut self, way: Way, bytes: &[u8], truth: Option<&Content>) -> Checked {
        let order = self.order;
        let mut seen = std::mem::take(&mut self.seen);
        let lane = self.lane(way);
        lane.produced += bytes.len() as u64;
        if order == Order::Kept {
            lane.under_way.extend(bytes);
        }
        let mut said = Vec::new();
        let checked = lane.look(bytes, truth, &mut seen, &mut said);
        self.seen = seen;
        if order == Order::Damaged {
            return checked;
        }
        let heeded = said.iter().try_for_each(|word| match word {
            Said::Message(message) => self.heed(way, message),
            Said::Blocks(_) => Ok(()),
        });
        self.said.append(&mut said);
        heeded.and(checked)
    }

    /// Bytes of files that went this way since the last call.
    pub(crate) const fn take_given(&mut self, way: Way) -> u64 {
        std::mem::replace(&mut self.lane(way).given, 0)
    }

    /// What a sender does not have is not asked of it again, before it says that it has more (L5).
    fn heed(&mut self, way: Way, message: &Message) -> Checked {
        let other = match way {
            Way::Down => Way::Up,
            Way::Up => Way::Down,
        };
        match message {
            Message::Have(_) => self.absent.retain(|(of, ..)| *of != way),
            Message::Reject(reject) if reject.why == RejectWhy::Absent => {
                self.absent.insert((way, reject.run.blob, reject.run.block));
            }
            Message::Request(run) if self.absent.contains(&(other, run.blob, run.block)) => {
                let claim = format!(
                    "block {} of blob {} is asked of a host that said it does not have it",
                    run.block, run.blob
                );
                return Err(Finding::new(Oracle::Waste, "asked in vain", claim));
            }
            _ => {}
        }
        Ok(())
    }

    /// Plaintext came out of a channel (S7).
    pub(crate) fn received(&mut self, way: Way, conn: ConnId, bytes: &[u8]) -> Checked {
        if self.order == Order::Damaged {
            return Ok(());
        }
        let lane = self.lane(way);
        let (front, back) = lane.under_way.as_slices();
        let in_front = front.len().min(bytes.len());
        let in_back = back.len().min(bytes.len() - in_front);
        let is_prefix = front[..in_front] == bytes[..in_front]
            && back[..in_back] == bytes[in_front..in_front + in_back]
            && in_front + in_back == bytes.len();
        if is_prefix {
            lane.under_way.drain(..bytes.len());
            crate::stream::give_back(&mut lane.under_way);
            lane.consumed += bytes.len() as u64;
            return Ok(());
        }
        let same = lane.under_way.iter().zip(bytes).take_while(|(a, b)| a == b).count() as u64;
        let claim = format!(
            "connection {}: byte {} of the plaintext is not the one that was sent",
            conn.0,
            lane.consumed + same
        );
        let class = "consumed is not a prefix of produced";
        Err(Finding::new(Oracle::StreamOrder, class, claim))
    }
}

impl Lane {
    fn look(
        &mut self,
        bytes: &[u8],
        truth: Option<&Content>,
        seen: &mut Vec<&'static str>,
        said: &mut Vec<Said>,
    ) -> Checked {
        let mut input = bytes;
        while let Some(decoder) = &mut self.decoder {
            match decoder.next(&mut input) {
                Ok(Some(Item::Message(message))) => {
                    seen.push(name(&message));
                    if is_judged(&message) {
                        said.push(Said::Message(message));
                    }
                }
                Ok(Some(Item::Blocks(head))) => {
                    seen.push("message blocks");
                    said.push(Said::Blocks(head));
                    self.payload = Some((head, 0));
                }
                Ok(Some(Item::Payload(run))) => {
                    if self.payload.is_some_and(|(head, _)| BlobId(head.blob).entry().is_some()) {
                        self.given += run.len() as u64;
                    }
                    if let (Some((head, at)), Some(content)) = (&mut self.payload, truth) {
                        check_blocks(*head, *at, run, content)?;
                        *at += run.len() as u64;
                    }
                }
                Ok(None) => break,
                // A hostile host may say what it wants.
                Err(_) if truth.is_none() => self.decoder = None,
                Err(error) => {
                    self.decoder = None;
                    let claim = format!("an honest host sends what is no frame: {error}");
                    return Err(Finding::new(Oracle::SentBytes, "no frame", claim));
                }
            }
        }
        Ok(())
    }
}

fn check_blocks(head: BlocksHead, at: u64, run: &[u8], content: &Content) -> Checked {
    let offset = u64::from(head.block) * BLOCK + at;
    let (file, truth) = match BlobId(head.blob).entry() {
        Some(entry) => (content.number(entry).unwrap_or(u16::MAX), content.truth(entry)),
        None => (u16::MAX, Some(&content.manifest.encoded()[..])),
    };
    let end = offset as usize + run.len();
    let truth = truth.and_then(|truth| truth.get(offset as usize..end)).unwrap_or_default();
    match first_difference(file, offset, run, truth) {
        None => Ok(()),
        Some(place) => {
            let claim = format!("blocks from {} of blob {} are sent", head.block, head.blob);
            let mut finding = Finding::new(Oracle::SentBytes, "wrong bytes sent", claim);
            finding.place = Some(place);
            Err(finding)
        }
    }
}

/// Whether it matters what else was said.
const fn is_judged(message: &Message) -> bool {
    matches!(
        message,
        Message::Have(_)
            | Message::Request(_)
            | Message::Reject(_)
            | Message::Cancel(_)
            | Message::Swarm(_)
            | Message::Peers(_)
            | Message::Choke
            | Message::Unchoke
            | Message::Interested
            | Message::NotInterested
    )
}

const fn name(message: &Message) -> &'static str {
    match message {
        Message::Hello(_) => "message hello",
        Message::Prove(_) => "message prove",
        Message::Proven(_) => "message proven",
        Message::Info(_) => "message info",
        Message::Preparing(_) => "message preparing",
        Message::Have(_) => "message have",
        Message::Request(_) => "message request",
        Message::Reject(_) => "message reject",
        Message::Cancel(_) => "message cancel",
        Message::HashRequest(_) => "message hash-request",
        Message::Hashes(_) => "message hashes",
        Message::Corrupt(_) => "message corrupt",
        Message::Intact(_) => "message intact",
        Message::Ping(_) => "message ping",
        Message::Pong(_) => "message pong",
        Message::Paused => "message paused",
        Message::Resumed => "message resumed",
        Message::Receipt(_) => "message receipt",
        Message::Swarm(_) => "message swarm",
        Message::Peers(_) => "message peers",
        Message::Choke => "message choke",
        Message::Unchoke => "message unchoke",
        Message::Interested => "message interested",
        Message::NotInterested => "message not-interested",
        Message::Line(_) => "message line",
        Message::Heard(_) => "message heard",
        Message::Goodbye(_) => "message goodbye",
    }
}
