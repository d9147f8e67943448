//! What goes between a transfer and its peers, for whoever looks at it.

use std::time::Duration;

use truecopy_protocol::output::{Event, PeerState};
use truecopy_protocol::{ConnId, ShareId};

use super::Engine;
use super::news::Shape;
use super::transfers::{Transfer, Way};
use crate::crowd::Crowd;
use crate::output::{PeerRow, Rate};

/// The peers of a transfer, and how fast it goes.
#[derive(Debug, Default)]
pub(super) struct Flow {
    crowd: Crowd,
    down: Rate,
    up: Rate,
}

/// A transfer, closely.
#[derive(Debug)]
pub struct Details<'a> {
    /// How it stands.
    pub shape: Shape,
    /// Its peers.
    pub peers: Vec<PeerRow<'a>>,
    /// How many chunks of each of so many equal stretches are verified, and how many there are; empty if nothing comes
    /// here now.
    pub map: Vec<(u32, u32)>,
}

impl Flow {
    /// Bytes that were handed to peers.
    pub(super) fn given(&self) -> u64 {
        self.crowd.given()
    }

    /// Bytes a second, down and up; none while nobody is there.
    pub(super) fn rates(&self) -> (u64, u64) {
        if self.crowd.is_empty() {
            return (0, 0);
        }
        (self.down.per_second().unwrap_or(0), self.up.per_second().unwrap_or(0))
    }

    fn sent(&mut self, conn: ConnId, bytes: u64) {
        self.crowd.sent(conn, bytes);
    }

    fn look(&mut self, now: Duration, moved: u64, states: &[PeerState]) {
        self.crowd.look(now, states);
        self.down.observe(now, moved);
        self.up.observe(now, self.crowd.given());
    }
}

impl Engine {
    /// What an event says of the flow of a transfer.
    pub(super) fn watch(&mut self, number: u32, event: &Event) {
        let now = self.started.elapsed();
        let Some(Transfer { flow, moved, size, way, .. }) = self.transfers.get_mut(&number) else { return };
        match event {
            Event::PeerUp { conn, peer, path, .. } => flow.crowd.came(*conn, *peer, *path),
            Event::PeerDown { conn, .. } => flow.crowd.left(*conn),
            Event::Progress { progress, .. } => (*moved, *size) = (progress.verified, progress.wanted),
            Event::Uploaded { conn, bytes, .. } => {
                flow.sent(*conn, *bytes);
                if let Way::Out(_) = way {
                    *moved = flow.given();
                }
            }
            Event::Peers { peers, .. } => flow.look(now, *moved, peers),
            _ => {}
        }
    }

    /// A transfer closely, its chunks in so many stretches at most; none if there is none of this number.
    pub fn details(&self, number: u32, cells: u32) -> Option<Details<'_>> {
        let shape = self.shape(number)?;
        let transfer = self.transfers.get(&number)?;
        let map = match &transfer.way {
            Way::In(asked) => asked.map(cells),
            Way::Out(_) => Vec::new(),
        };
        Some(Details { shape, peers: transfer.flow.crowd.rows(), map })
    }
}

/// The share that an event of transfers is about.
pub(super) const fn share_of(event: &Event) -> Option<ShareId> {
    match event {
        Event::Offer { share, .. }
        | Event::PeerUp { share, .. }
        | Event::PeerDown { share, .. }
        | Event::Peers { share, .. }
        | Event::Progress { share, .. }
        | Event::Uploaded { share, .. }
        | Event::Completed { share, .. }
        | Event::Failed { share, .. }
        | Event::Receipt { share, .. }
        | Event::SourceBroken { share, .. }
        | Event::Ended { share }
        | Event::Refused { share, .. } => Some(*share),
        _ => None,
    }
}
