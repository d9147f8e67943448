//! The peers of a share as they come and go, and what goes between them and us.

use std::collections::BTreeMap;
use std::time::Duration;

use truecopy_protocol::content::identity::Role;
use truecopy_protocol::input::Path;
use truecopy_protocol::output::{PeerState, Turn};
use truecopy_protocol::{ConnId, NodeId};

use crate::output::{Link, PeerRow, Rate};
use crate::words;

/// Who is here.
#[derive(Debug, Default)]
pub struct Crowd {
    peers: BTreeMap<ConnId, Peer>,
    /// Bytes that went to peers that are gone.
    gone: u64,
}

#[derive(Debug)]
struct Peer {
    node: String,
    path: &'static str,
    address: String,
    sent: u64,
    down: Rate,
    up: Rate,
    /// Whether it had all chunks whenever it was looked at.
    always_whole: bool,
    /// Whether it wants something of us.
    wants: bool,
    /// How it stood when it was looked at last.
    state: Option<PeerState>,
}

impl Peer {
    fn link(&self) -> Link<'_> {
        Link { node: &self.node, path: self.path, address: &self.address }
    }

    /// None before it was looked at.
    fn row(&self) -> Option<PeerRow<'_>> {
        let state = self.state?;
        Some(PeerRow {
            link: self.link(),
            is_dialled: state.role == Role::Initiator,
            received: state.received,
            sent: state.sent,
            down: self.down.per_second().unwrap_or(0),
            up: self.up.per_second().unwrap_or(0),
            has: state.has,
            of: state.of,
            theirs: state.theirs,
            ours: state.ours,
        })
    }
}

impl Crowd {
    /// A peer has come.
    pub fn came(&mut self, conn: ConnId, node: NodeId, path: Path) {
        let (path, address) = words::path(path);
        let (node, sent) = (node.to_hex(), 0);
        let (down, up, always_whole, wants) = (Rate::default(), Rate::default(), true, false);
        let state = None;
        self.peers.insert(conn, Peer { node, path, address, sent, down, up, always_whole, wants, state });
    }

    /// A peer is gone.
    pub fn left(&mut self, conn: ConnId) {
        if let Some(peer) = self.peers.remove(&conn) {
            self.gone += peer.sent;
        }
    }

    /// So much went to a peer.
    pub fn sent(&mut self, conn: ConnId, bytes: u64) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.sent = bytes;
        }
    }

    /// Bytes that went to all peers since the beginning.
    pub fn given(&self) -> u64 {
        self.gone + self.peers.values().map(|peer| peer.sent).sum::<u64>()
    }

    /// Where a peer is.
    pub fn link(&self, conn: ConnId) -> Option<Link<'_>> {
        self.peers.get(&conn).map(Peer::link)
    }

    /// The peer, if there is one only.
    pub fn only(&self) -> Option<Link<'_>> {
        self.peers.values().next().filter(|_| self.peers.len() == 1).map(Peer::link)
    }

    /// How many are here.
    pub fn len(&self) -> u32 {
        u32::try_from(self.peers.len()).unwrap_or(u32::MAX)
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether somebody wants something that only we may have: no peer is here that had it all from the beginning.
    pub fn is_needed(&self) -> bool {
        self.peers.values().any(|peer| peer.wants) && !self.peers.values().any(|peer| peer.always_whole)
    }

    /// How the peers stand now.
    pub fn look(&mut self, now: Duration, states: &[PeerState]) {
        for state in states {
            if let Some(peer) = self.peers.get_mut(&state.conn) {
                peer.down.observe(now, state.received);
                peer.up.observe(now, state.sent);
                peer.always_whole &= state.of > 0 && state.has == state.of;
                peer.wants = state.ours != Turn::Idle;
                peer.state = Some(*state);
            }
        }
    }

    /// The lines of a table of the peers, as they stood when they were looked at last.
    pub fn rows(&self) -> Vec<PeerRow<'_>> {
        self.peers.values().filter_map(Peer::row).collect()
    }
}
