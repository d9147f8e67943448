//! The byte pump: the only code that moves bytes between a [`Stream`] and a [`Channel`].
//!
//! Short writes, short reads, `WouldBlock` and `Interrupted` are dealt with here and nowhere else. It holds no clock:
//! how long a connection may stand still, and how long its end may take, is the driver's to say.

use std::io;

use truecopy_protocol::NodeId;
#[cfg(planted)]
use truecopy_protocol::planted::{Bug, is};

use crate::channel::{Channel, ChannelError, ChannelEvent};
use crate::stream::Stream;

/// Bytes read and thrown away at most, after our closing word or an error, while waiting for the stream's end.
///
/// Closing a socket with unread input makes a reset, and a reset eats what the peer has not read yet. A peer that has
/// seen our end stops soon; this covers what it and the network may have under way.
pub const DRAIN_MAX: usize = 16 * 1024 * 1024;

/// What came from the peer.
#[derive(Debug)]
pub enum Received<'a> {
    /// The peer has proven its key. First, and once.
    Proven {
        /// The peer's key.
        peer: NodeId,
        /// The key that we proved.
        local: NodeId,
    },
    /// Plaintext, in order.
    Plaintext(&'a [u8]),
    /// The peer said its closing word: all of it has come. Last.
    Closed,
    /// The connection broke: what came before was genuine, what would follow is lost. Last.
    Broken(Breakage),
}

/// Why a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breakage {
    /// The channel says so.
    #[error(transparent)]
    Channel(ChannelError),
    /// The stream says so.
    #[error("{0}")]
    Stream(io::ErrorKind),
}

/// Whether the receiver can take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// It can.
    Continue,
    /// Not before [`Pump::receive`] is called again; what is buffered stays.
    Pause,
}

/// Why [`Pump::receive`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadState {
    /// The stream has nothing now: call again when it is readable.
    WouldBlock,
    /// The budget is used up: call again without waiting, for no readiness may come.
    Budget,
    /// The receiver asked for a pause: call again when it can take more, without waiting for readiness.
    Paused,
    /// Nothing will ever come from this stream any more.
    Ended,
}

/// Why [`Pump::transmit`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteState {
    /// Everything there was is written: call again when the source has more, and after every [`Pump::receive`].
    Idle,
    /// The stream takes nothing now: call again when it is writable.
    WouldBlock,
    /// The budget is used up: call again without waiting.
    Budget,
    /// Our direction has ended; nothing can be sent any more.
    Ended,
    /// The stream refused our bytes, once; then `Ended`. Its last words may still be read: go on receiving.
    Broken(io::ErrorKind),
}

/// Where plaintext comes from: an adapter over the core's queue of one connection.
pub trait Source {
    /// Lends the next bytes as runs, in order, `max` bytes together at most.
    fn visit(&self, max: usize, take: &mut dyn FnMut(&[u8]));

    /// The first `len` of them are in the channel and need not be kept. 0 says that the stream has taken some of what
    /// was in the channel before: a slow peer that takes a little is not one that takes nothing.
    fn sent(&mut self, len: usize);
}

/// The pump of one connection.
#[derive(Debug)]
pub struct Pump<C> {
    channel: C,
    input: InputState,
    output: OutputState,
}

/// What is done with bytes from the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputState {
    /// They go to the channel.
    Live,
    /// They are thrown away; so many more at most.
    Draining(usize),
    /// There are none any more.
    Ended,
}

/// What is done for the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputState {
    /// What the source has goes out.
    Live,
    /// The source is emptied, then comes the closing word.
    Closing,
    /// The channel's last bytes go out, then the stream's end.
    Closed,
    /// Our direction has ended.
    Ended,
}

impl<C: Channel> Pump<C> {
    /// The pump of a fresh connection. Call [`Self::transmit`] at once: the channel may have to speak first.
    pub fn new(channel: C) -> Self {
        Self { channel, input: InputState::Live, output: OutputState::Live }
    }

    /// Moves bytes from the stream through the channel to `deliver`, until the stream has none, `deliver` asks for a
    /// pause, or about `budget` bytes were read. Safe with edge-triggered readiness.
    ///
    /// The channel may want to answer: call [`Self::transmit`] afterwards.
    pub fn receive<S: Stream>(
        &mut self,
        stream: &mut S,
        budget: usize,
        deliver: &mut dyn FnMut(Received<'_>) -> Flow,
    ) -> ReadState {
        let mut used = 0;
        loop {
            if self.input == InputState::Live && self.deliver(deliver) == Flow::Pause {
                return ReadState::Paused;
            }
            #[cfg(planted)]
            if is(Bug::OneReadOnly) && used > 0 {
                return ReadState::WouldBlock;
            }
            match self.input {
                InputState::Ended | InputState::Draining(0) => {
                    self.input = InputState::Ended;
                    self.channel.rest();
                    return ReadState::Ended;
                }
                InputState::Live | InputState::Draining(_) if used >= budget => return ReadState::Budget,
                InputState::Live | InputState::Draining(_) => {}
            }
            let space = self.channel.space();
            debug_assert!(!space.is_empty(), "a starved channel has space");
            match stream.read(space) {
                Ok(0) => self.input_ended(),
                Ok(len) => {
                    used += len;
                    match &mut self.input {
                        InputState::Draining(left) => *left = left.saturating_sub(len),
                        _ => self.channel.filled(len),
                    }
                }
                #[cfg(planted)]
                Err(error) if error.kind() == io::ErrorKind::Interrupted && is(Bug::InterruptedIsEnd) => {
                    self.input_ended();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.channel.rest();
                    return ReadState::WouldBlock;
                }
                Err(error) => self.input_failed(error.kind(), deliver),
            }
        }
    }

    /// Hands over everything that the channel has.
    fn deliver(&mut self, deliver: &mut dyn FnMut(Received<'_>) -> Flow) -> Flow {
        loop {
            let mut flow = Flow::Continue;
            let event = self.channel.next_event(&mut |bytes| flow = deliver(Received::Plaintext(bytes)));
            match event {
                Ok(ChannelEvent::Plaintext) => {}
                Ok(ChannelEvent::Proven { peer, local }) => flow = deliver(Received::Proven { peer, local }),
                Ok(ChannelEvent::Starved) => return Flow::Continue,
                Ok(ChannelEvent::Closed) => {
                    self.input = InputState::Draining(DRAIN_MAX);
                    return deliver(Received::Closed);
                }
                Err(error) => {
                    // A cut has no rest to drain; otherwise the peer should get the channel's last word.
                    self.input = match error {
                        ChannelError::Cut => InputState::Ended,
                        _ => InputState::Draining(DRAIN_MAX),
                    };
                    self.end_output();
                    return deliver(Received::Broken(Breakage::Channel(error)));
                }
            }
            if flow == Flow::Pause {
                return flow;
            }
        }
    }

    fn input_ended(&mut self) {
        match self.input {
            InputState::Live => self.channel.ended(),
            InputState::Draining(_) | InputState::Ended => self.input = InputState::Ended,
        }
    }

    fn input_failed(&mut self, kind: io::ErrorKind, deliver: &mut dyn FnMut(Received<'_>) -> Flow) {
        if self.input == InputState::Live {
            // After the last event there is nothing to pause.
            let _ = deliver(Received::Broken(Breakage::Stream(kind)));
        }
        self.input = InputState::Ended;
        self.output = OutputState::Ended;
    }

    fn end_output(&mut self) {
        if matches!(self.output, OutputState::Live | OutputState::Closing) {
            self.output = OutputState::Closed;
        }
    }

    /// Moves bytes from the source through the channel to the stream, until there are none, the stream takes none, or
    /// about `budget` bytes were written. Safe with edge-triggered readiness.
    pub fn transmit<S: Stream, T: Source>(
        &mut self,
        stream: &mut S,
        source: &mut T,
        budget: usize,
    ) -> WriteState {
        let (mut used, mut filled) = (0, 0);
        loop {
            if matches!(self.output, OutputState::Live | OutputState::Closing) {
                filled += self.fill(source);
            }
            if self.channel.outgoing().is_empty() || self.output == OutputState::Ended {
                match self.nothing_left(stream) {
                    Some(state) => return state,
                    None => continue,
                }
            }
            if used >= budget {
                return WriteState::Budget;
            }
            match stream.write(self.channel.outgoing()) {
                Ok(0) => {
                    self.output = OutputState::Ended;
                    return WriteState::Broken(io::ErrorKind::WriteZero);
                }
                Ok(len) => {
                    #[cfg(planted)]
                    let len = if is(Bug::TailDropped) { self.channel.outgoing().len() } else { len };
                    used += len;
                    self.channel.taken(len);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                #[cfg(planted)]
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && is(Bug::BlockedCounted) => {
                    self.channel.taken(self.channel.outgoing().len());
                    return WriteState::WouldBlock;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if used > 0 && filled == 0 {
                        source.sent(0);
                    }
                    return WriteState::WouldBlock;
                }
                Err(error) => {
                    self.output = OutputState::Ended;
                    return WriteState::Broken(error.kind());
                }
            }
        }
    }

    /// Takes from the source what the channel has room for: so many bytes.
    fn fill<T: Source>(&mut self, source: &mut T) -> usize {
        let room = self.channel.room();
        if room == 0 {
            return 0;
        }
        let mut taken = 0;
        source.visit(room, &mut |run| {
            let run = &run[..run.len().min(room - taken)];
            #[cfg(planted)]
            let run = if is(Bug::ExtraCopy) { &run.to_vec()[..] } else { run };
            self.channel.seal(run);
            taken += run.len();
        });
        self.channel.flush();
        if taken > 0 {
            source.sent(taken);
        }
        taken
    }

    /// One step on when nothing waits to be written; the state to report, if there is nothing more to do.
    fn nothing_left<S: Stream>(&mut self, stream: &mut S) -> Option<WriteState> {
        match self.output {
            OutputState::Live => {
                self.channel.rest();
                Some(WriteState::Idle)
            }
            OutputState::Closing => {
                self.channel.close();
                self.output = OutputState::Closed;
                if self.input == InputState::Live {
                    self.input = InputState::Draining(DRAIN_MAX);
                }
                #[cfg(planted)]
                if is(Bug::NotDrained) {
                    self.input = InputState::Ended;
                }
                None
            }
            OutputState::Closed => match stream.shutdown_write() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                Err(error) => {
                    self.output = OutputState::Ended;
                    Some(WriteState::Broken(error.kind()))
                }
                Ok(()) => {
                    self.output = OutputState::Ended;
                    None
                }
            },
            OutputState::Ended => {
                self.channel.rest();
                Some(WriteState::Ended)
            }
        }
    }

    /// Ends the connection in good order: all that the source has goes out, then the channel's closing word, then the
    /// stream's end; and input is thrown away until the peer ends too, or [`DRAIN_MAX`] bytes came.
    ///
    /// Call [`Self::transmit`], then [`Self::receive`], until both say `Ended`, or the driver's patience is over.
    /// Until the source is empty, input is still delivered. Before the peer is proven there is nothing to say, and
    /// nothing is waited for: the stream just ends.
    pub fn close(&mut self) {
        if self.output == OutputState::Live {
            self.output = OutputState::Closing;
        }
    }

    /// Whether both directions have ended, so that the stream can be dropped without loss.
    pub fn is_ended(&self) -> bool {
        self.input == InputState::Ended && self.output == OutputState::Ended
    }

    /// Bytes that the channel has for the stream.
    pub fn waiting(&self) -> usize {
        self.channel.outgoing().len()
    }

    /// What is done with input.
    pub fn input(&self) -> InputState {
        self.input
    }

    /// What is done for output.
    pub fn output(&self) -> OutputState {
        self.output
    }

    /// Bytes of memory held by the connection's channel.
    pub fn memory(&self) -> usize {
        self.channel.memory()
    }
}
