//! A proxy between two processes: counts, holds back, and harms what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Towards the receiver.
    Down,
    /// Towards the sender.
    Up,
}

/// What happens to the bytes.
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
    /// Some bytes change places with those after them.
    Swap,
    /// From here on every byte comes in a segment of its own, for a while.
    OneByOne,
}

#[derive(Default)]
struct State {
    /// Bytes that went to the receiver.
    down: u64,
    /// No more than this goes to the receiver; none: all.
    gate: Option<u64>,
    /// Harms still to be done, the last one first: the direction, the offset within a connection, and what.
    harms: Vec<(Way, u64, Harm)>,
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

    /// Each harm is done once, to a connection of its own, in this order, to the bytes towards the receiver.
    pub(crate) fn harm(self, harms: &[(u64, Harm)]) -> Self {
        self.harm_ways(harms.iter().map(|(at, harm)| (Way::Down, *at, *harm)).collect())
    }

    /// The same in both directions.
    pub(crate) fn harm_ways(self, mut harms: Vec<(Way, u64, Harm)>) -> Self {
        harms.reverse();
        self.state.0.lock().unwrap().harms = harms;
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
        assert!(self.is_held_within(crate::process::DEADLINE), "the gate was never reached");
    }

    /// Waits so long at most; whether the gate holds bytes back.
    pub(crate) fn is_held_within(&self, patience: Duration) -> bool {
        let (lock, changed) = &*self.state;
        let state = lock.lock().unwrap();
        let waits = |state: &mut State| state.gate.is_none_or(|gate| state.down < gate);
        let (_state, waited) = changed.wait_timeout_while(state, patience, waits).unwrap();
        !waited.timed_out()
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
        let of = |way| harm.filter(|(harmed, ..)| *harmed == way).map(|(_, at, harm)| (at, harm));
        let (down, up) = (of(Way::Down), of(Way::Up));
        let (from, to) = (receiver.try_clone().unwrap(), sender.try_clone().unwrap());
        let ours = self.clone();
        std::thread::spawn(move || {
            let _ = ours.carry(from, &to, Way::Up, up, cuts);
        });
        let ours = self.clone();
        std::thread::spawn(move || {
            let _ = ours.carry(sender, &receiver, Way::Down, down, cuts);
        });
    }

    /// Takes leave to send up to `len` bytes; 0 if the connection was ended meanwhile.
    fn leave(&self, way: Way, len: usize, cuts: usize) -> usize {
        if way == Way::Up {
            return len;
        }
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

    fn carry(
        &self,
        mut from: TcpStream,
        mut to: &TcpStream,
        way: Way,
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
                        Harm::Swap => {
                            let half = rest.len().min(64) / 2;
                            rest[..2 * half].rotate_left(half);
                        }
                        Harm::Duplicate => to.write_all(&rest[..1])?,
                        Harm::Cut => return to.shutdown(Shutdown::Both),
                        Harm::Stall => {
                            // Until one of them gives up and closes.
                            let _ = from.set_read_timeout(Some(Duration::from_secs(60)));
                            while from.read(&mut buf).is_ok_and(|len| len > 0) {}
                            return to.shutdown(Shutdown::Write);
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
                let len = self.leave(way, wanted, cuts);
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
