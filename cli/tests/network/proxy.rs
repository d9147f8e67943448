//! A proxy between two processes: counts, holds back, and harms what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What happens to the bytes towards the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// One bit is turned.
    Flip,
    /// Some bytes are left out.
    Drop,
    /// Some bytes come twice.
    Duplicate,
    /// The connection ends.
    Cut,
    /// Nothing comes any more, though the connection stands.
    Stall,
    /// The connection is reset.
    Reset,
    /// From here on every byte comes in a segment of its own, for a while.
    OneByOne,
}

#[derive(Default)]
struct State {
    /// Bytes that went to the receiver.
    down: u64,
    /// No more than this goes to the receiver; none: all.
    gate: Option<u64>,
    /// Harms still to be done: the offset within a connection, and what.
    harms: Vec<(u64, Harm)>,
    open: Vec<TcpStream>,
    connections: usize,
    cuts: usize,
}

/// A proxy in front of a sender.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl Proxy {
    pub(crate) fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let ours = proxy.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            while let Ok((receiver, _)) = listener.accept() {
                // A sender that is away for a while refuses.
                let Ok(sender) = TcpStream::connect(target) else { continue };
                ours.join(receiver, sender);
            }
        });
        proxy
    }

    /// Each harm is done once, to a connection of its own, in this order.
    pub(crate) fn harm(self, harms: &[(u64, Harm)]) -> Self {
        self.state.0.lock().unwrap().harms = harms.iter().rev().copied().collect();
        self
    }

    /// Lets only so many bytes more through to the receiver.
    pub(crate) fn hold_after(&self, bytes: u64) {
        let mut state = self.state.0.lock().unwrap();
        state.gate = Some(state.down + bytes);
        self.state.1.notify_all();
    }

    /// Lets everything through.
    pub(crate) fn open(&self) {
        self.state.0.lock().unwrap().gate = None;
        self.state.1.notify_all();
    }

    /// Waits until the gate holds bytes back.
    pub(crate) fn until_held(&self) {
        let (lock, changed) = &*self.state;
        let state = lock.lock().unwrap();
        let waits = |state: &mut State| state.gate.is_none_or(|gate| state.down < gate);
        let (_state, waited) = changed.wait_timeout_while(state, crate::process::DEADLINE, waits).unwrap();
        assert!(!waited.timed_out(), "the gate was never reached");
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        let mut state = self.state.0.lock().unwrap();
        state.cuts += 1;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.state.1.notify_all();
    }

    /// Bytes that went to the receiver.
    pub(crate) fn down(&self) -> u64 {
        self.state.0.lock().unwrap().down
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.0.lock().unwrap().connections
    }

    fn join(&self, receiver: TcpStream, sender: TcpStream) {
        receiver.set_nodelay(true).unwrap();
        sender.set_nodelay(true).unwrap();
        let mut state = self.state.0.lock().unwrap();
        state.connections += 1;
        let (harm, cuts) = (state.harms.pop(), state.cuts);
        state.open.extend([receiver.try_clone().unwrap(), sender.try_clone().unwrap()]);
        drop(state);
        let (mut from, mut to) = (receiver.try_clone().unwrap(), sender.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let ours = self.clone();
        std::thread::spawn(move || {
            let _ = ours.down_stream(sender, &receiver, harm, cuts);
        });
    }

    /// Takes leave to send up to `len` bytes; 0 if the connection was ended meanwhile.
    fn leave(&self, len: usize, cuts: usize) -> usize {
        let (lock, changed) = &*self.state;
        let state = lock.lock().unwrap();
        let closed =
            |state: &mut State| state.gate.is_some_and(|gate| state.down >= gate) && state.cuts == cuts;
        let mut state = changed.wait_while(state, closed).unwrap();
        if state.cuts != cuts {
            return 0;
        }
        let room = state.gate.map_or(len as u64, |gate| gate.saturating_sub(state.down));
        let len = len.min(usize::try_from(room).unwrap_or(usize::MAX));
        state.down += len as u64;
        changed.notify_all();
        len
    }

    fn down_stream(
        &self,
        mut from: TcpStream,
        mut to: &TcpStream,
        mut harm: Option<(u64, Harm)>,
        cuts: usize,
    ) -> std::io::Result<()> {
        let mut buf = vec![0; 64 << 10];
        let mut passed = 0;
        let mut one_by_one = 0;
        loop {
            let len = from.read(&mut buf)?;
            if len == 0 {
                return to.shutdown(Shutdown::Write);
            }
            let mut rest = &mut buf[..len];
            while !rest.is_empty() {
                let to_harm = harm.map_or(u64::MAX, |(at, _)| at.saturating_sub(passed));
                if to_harm == 0 {
                    match harm.take().unwrap().1 {
                        Harm::Flip => rest[0] ^= 4,
                        Harm::Drop => rest = &mut rest[1..],
                        Harm::Duplicate => to.write_all(&rest[..1])?,
                        Harm::Cut => return to.shutdown(Shutdown::Both),
                        Harm::Stall => {
                            // Until the receiver gives up: it closes, and the other direction ends this one.
                            let _ = from.set_read_timeout(Some(Duration::from_secs(60)));
                            while from.read(&mut buf).is_ok_and(|len| len > 0) {}
                            return Ok(());
                        }
                        Harm::Reset => {
                            rustix::net::sockopt::set_socket_linger(to, Some(Duration::ZERO))?;
                            // The close of the last handle sends it: the other direction ends by this, and ours now.
                            let ours = to.peer_addr().ok();
                            self.state
                                .0
                                .lock()
                                .unwrap()
                                .open
                                .retain(|stream| stream.peer_addr().ok() != ours);
                            return to.shutdown(Shutdown::Read);
                        }
                        Harm::OneByOne => one_by_one = 20_000,
                    }
                    continue;
                }
                let wanted = rest.len().min(usize::try_from(to_harm).unwrap_or(usize::MAX));
                let wanted = if one_by_one > 0 { 1 } else { wanted };
                let len = self.leave(wanted, cuts);
                if len == 0 {
                    return to.shutdown(Shutdown::Both);
                }
                to.write_all(&rest[..len])?;
                passed += len as u64;
                one_by_one -= one_by_one.min(len);
                rest = &mut rest[len..];
            }
        }
    }
}
