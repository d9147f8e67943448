//! What is told of a swarm to whoever asked to know: its peers one by one.

use alloc::vec::Vec;

use super::Node;
use crate::ShareId;
use crate::config::Detail;
use crate::output::{Event, PeerState, Turn};
use crate::swarm::download::{Choking, Download, Interest};
use crate::swarm::have::Have;
use crate::swarm::upload::Upload;
use crate::timers::Timer;

impl Node {
    /// How each peer of a share stands, if that was asked for.
    pub(super) fn tell_peer_states(&mut self, share: ShareId) {
        if self.config.detail == Detail::Shares {
            return;
        }
        let chunks = self.fetches.get(&share).and_then(|fetch| fetch.manifest()).map(|all| all.chunk_count());
        let states = self.conns.iter().filter_map(|(id, conn)| {
            let (of, exchange) = conn.exchange()?;
            let (download, upload) = (exchange.download.as_ref(), exchange.upload.as_ref());
            let have = download.map(Download::have);
            let all = chunks.or_else(|| have.and_then(|have| have.bits()).map(|bits| bits.len()));
            let has = have.map_or(0, |have| match have.bits() {
                Some(bits) => bits.count(),
                None if have.is_all() => all.unwrap_or(0),
                None => 0,
            });
            (of == share).then(|| PeerState {
                conn: *id,
                peer: conn.session.peer,
                role: conn.session.role,
                path: conn.session.path,
                received: download.map_or(0, Download::bytes),
                sent: upload.map_or(0, |upload| upload.bytes),
                has,
                of: all.unwrap_or(0),
                theirs: download.map_or(Turn::Idle, their_turn),
                ours: upload.filter(|_| !have.is_some_and(Have::is_whole)).map_or(Turn::Idle, our_turn),
            })
        });
        let peers: Vec<PeerState> = states.collect();
        if !peers.is_empty() {
            // Also while nothing moves: what they want may change.
            self.timers.arm(Timer::Progress(share), self.now + self.config.progress_interval);
        }
        self.event(Event::Peers { share, peers });
    }
}

/// Whether the peer serves us.
fn their_turn(download: &Download) -> Turn {
    match (download.choking(), download.is_busy()) {
        (Choking::Choked, _) => Turn::Waits,
        (Choking::Unchoked, true) => Turn::Served,
        (Choking::Unchoked, false) => Turn::Idle,
    }
}

/// Whether we serve the peer.
fn our_turn(upload: &Upload) -> Turn {
    match (upload.choking, upload.interest) {
        (_, Interest::NotInterested) => Turn::Idle,
        (Choking::Choked, Interest::Interested) => Turn::Waits,
        (Choking::Unchoked, Interest::Interested) => Turn::Served,
    }
}
