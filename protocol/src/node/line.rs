//! The line that all peers of a swarm share: if it is slow, one span after another goes out on it, for what is whole can be
//! passed on. PROTOCOL §5.12.

use core::mem;
use core::time::Duration;

use super::Node;
use super::exchange::Conn;
use super::serve::held_by;
use crate::ConnId;
use crate::swarm::upload::Upload;
use crate::timers::Timer;

/// A line on which a span is gone within this time is fast: nobody waits for another there.
const QUICK: Duration = Duration::from_millis(100);
/// Whoever takes longer for a span keeps nobody waiting: it may be its own line that is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Spans on their way at once: a single one leaves the line idle while its receiver's window is full.
const AT_ONCE: usize = 2;

impl Node {
    /// Whether the next span of a peer waits until that of another is gone. The manifest never does.
    pub(super) fn waits_for_line(&mut self, id: ConnId) -> bool {
        let Some((share, exchange)) = self.conns.get(&id).and_then(Conn::exchange) else { return false };
        let asks_manifest = exchange.upload.as_ref().is_some_and(Upload::asks_manifest);
        if asks_manifest || !self.is_swarm(share) || !self.is_line_busy() {
            return false;
        }
        // Those who hold the line up may do so in silence.
        self.timers.arm(Timer::Progress(share), self.now + self.config.progress_interval);
        true
    }

    fn is_line_busy(&self) -> bool {
        if self.pace <= QUICK {
            return false;
        }
        let (mut served, mut busy) = (0, 0);
        for conn in self.conns.values() {
            let Some(upload) = conn.upload() else { continue };
            served += usize::from(upload.is_served());
            busy += usize::from(held_by(conn) > 0 && self.now.since(upload.begun) < PATIENCE);
        }
        served > 1 && busy >= AT_ONCE
    }

    /// A span, or more, has left for a peer.
    pub(super) fn span_gone(&mut self, id: ConnId) {
        let now = self.now;
        if let Some(upload) = self.upload(id) {
            let took = now.since(mem::replace(&mut upload.begun, now));
            self.pace = self.pace / 2 + took.min(PATIENCE) / 2;
        }
    }
}
