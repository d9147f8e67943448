//! Host names to addresses, on threads of their own: the system's resolver blocks.

use std::collections::VecDeque;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;

use truecopy_protocol::ConnId;

/// Lookups at once. One that hangs must not hold up the others for long.
const THREADS_MAX: usize = 4;

/// Lookups that wait for a thread.
const WAITING_MAX: usize = 64;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A name to look up.
#[derive(Debug)]
struct Question {
    conn: ConnId,
    name: String,
    port: u16,
}

/// What came of a lookup: no address if the name is unknown.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) conn: ConnId,
    pub(crate) addresses: Vec<SocketAddr>,
}

pub(crate) struct Resolver {
    running: usize,
    waiting: VecDeque<Question>,
    deliver: Arc<dyn Fn(Resolved) + Send + Sync>,
}

/// Too many lookups, or no thread for one.
#[derive(Debug)]
pub(crate) struct Overloaded;

impl Resolver {
    pub(crate) fn new(deliver: Arc<dyn Fn(Resolved) + Send + Sync>) -> Self {
        Self { running: 0, waiting: VecDeque::new(), deliver }
    }

    /// Looks a name up; the answer is delivered.
    pub(crate) fn ask(&mut self, conn: ConnId, name: String, port: u16) -> Result<(), Overloaded> {
        let question = Question { conn, name, port };
        if self.running < THREADS_MAX {
            return self.spawn(question);
        }
        if self.waiting.len() >= WAITING_MAX {
            return Err(Overloaded);
        }
        self.waiting.push_back(question);
        Ok(())
    }

    /// Nobody wants to know any more. A lookup that runs goes on; its answer is ignored.
    pub(crate) fn forget(&mut self, conn: ConnId) {
        self.waiting.retain(|question| question.conn != conn);
    }

    /// An answer came: the thread that found it has ended. Returns lookups for which no thread could be had.
    pub(crate) fn answered(&mut self) -> Option<ConnId> {
        self.running = self.running.saturating_sub(1);
        let question = self.waiting.pop_front()?;
        let conn = question.conn;
        self.spawn(question).err().map(|Overloaded| conn)
    }

    fn spawn(&mut self, question: Question) -> Result<(), Overloaded> {
        let deliver = Arc::clone(&self.deliver);
        let work = move || {
            let Question { conn, name, port } = question;
            let found = (name.as_str(), port).to_socket_addrs();
            if let Err(error) = &found {
                tracing::info!(conn = conn.0, %error, "a host name was not found");
            }
            deliver(Resolved {
                conn,
                addresses: found.map(|all| interleave(all.collect())).unwrap_or_default(),
            });
        };
        thread::Builder::new().name("resolver".to_owned()).spawn(work).map_err(|_| Overloaded)?;
        self.running += 1;
        Ok(())
    }
}

/// The families by turns, in the system's order within each (RFC 8305 §4): if one of them does not work, the other is
/// tried next.
fn interleave(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = found.first().map(SocketAddr::is_ipv6) else { return found };
    let mut unique: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !unique.contains(&address) {
            unique.push(address);
        }
    }
    let (leading, trailing): (Vec<_>, Vec<_>) =
        unique.into_iter().partition(|address| address.is_ipv6() == first);
    let mut mixed = Vec::new();
    let (mut leading, mut trailing) = (leading.into_iter(), trailing.into_iter());
    loop {
        let (a, b) = (leading.next(), trailing.next());
        if (a, b) == (None, None) || mixed.len() >= ADDRESSES_MAX {
            mixed.truncate(ADDRESSES_MAX);
            return mixed;
        }
        mixed.extend(a.into_iter().chain(b));
    }
}

#[cfg(test)]
mod tests;
