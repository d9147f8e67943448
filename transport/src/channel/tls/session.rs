//! The two sides of rustls' unbuffered API made one, and every state of it answered.

use rustls::CommonState;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus, WriteTraffic,
};

use super::{RECORD, RECORD_OVERHEAD};
use crate::channel::buffers::Outbox;

/// The connection of rustls, of either side.
pub(super) enum Session {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

impl Session {
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Client(client) => client,
            Self::Server(server) => server,
        }
    }

    /// Looks at the input once; returns how much of it is used up.
    pub(super) fn step(
        &mut self,
        input: &mut [u8],
        hands: Hands<'_>,
    ) -> (usize, Result<Step, rustls::Error>) {
        match self {
            Self::Client(client) => advance(client.process_tls_records(input), hands),
            Self::Server(server) => advance(server.process_tls_records(input), hands),
        }
    }

    /// Runs `write` with the encrypting handle. `input` must be exactly what the last step found too short.
    pub(super) fn write(
        &mut self,
        input: &mut [u8],
        outbox: &mut Outbox,
        write: &mut Write<'_>,
    ) -> Result<(), EncryptError> {
        loop {
            let written = match self {
                Self::Client(client) => put(client.process_tls_records(input), outbox, write),
                Self::Server(server) => put(server.process_tls_records(input), outbox, write),
            };
            if let Some(written) = written {
                return written;
            }
        }
    }

    /// After an error: the alert that tells the peer why. With words waiting, the session hands them out before it
    /// looks at any input.
    pub(super) fn last_words(&mut self, outbox: &mut Outbox) {
        while self.common().wants_write() {
            let _ = self.step(&mut [], Hands { outbox, plaintext: &mut |_| {} });
        }
    }
}

/// What one step of the session came to.
pub(super) enum Step {
    /// Something was done that needs no answer.
    Again,
    /// More bytes are needed.
    Starved,
    /// Traffic may flow and nothing is pending.
    Ready,
    /// A record was decrypted.
    Plaintext,
    PeerClosed,
}

/// What a step may touch besides the session and the intake.
pub(super) struct Hands<'a> {
    pub(super) outbox: &'a mut Outbox,
    pub(super) plaintext: &'a mut dyn FnMut(&[u8]),
}

/// The part of rustls' `WriteTraffic` that does not depend on the side.
pub(super) trait Encrypt {
    fn encrypt(&mut self, plaintext: &[u8], space: &mut [u8]) -> Result<usize, EncryptError>;
    fn close(&mut self, space: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<D> Encrypt for WriteTraffic<'_, D> {
    fn encrypt(&mut self, plaintext: &[u8], space: &mut [u8]) -> Result<usize, EncryptError> {
        WriteTraffic::encrypt(self, plaintext, space)
    }

    fn close(&mut self, space: &mut [u8]) -> Result<usize, EncryptError> {
        self.queue_close_notify(space)
    }
}

pub(super) type Write<'a> = dyn FnMut(&mut dyn Encrypt, &mut Outbox) -> Result<(), EncryptError> + 'a;

/// Writes with the handle if the session offers it; `None` if it first had words of its own.
fn put<D>(
    status: UnbufferedStatus<'_, '_, D>,
    outbox: &mut Outbox,
    write: &mut Write<'_>,
) -> Option<Result<(), EncryptError>> {
    match status.state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => Some(write(&mut traffic, outbox)),
        Ok(ConnectionState::EncodeTlsData(words)) => {
            encode(words, outbox);
            None
        }
        Ok(ConnectionState::TransmitTlsData(words)) => {
            words.done();
            None
        }
        _ => Some(Err(EncryptError::EncryptExhausted)),
    }
}

fn encode<D>(mut words: EncodeTlsData<'_, D>, outbox: &mut Outbox) {
    let needed = match words.encode(&mut []) {
        Err(EncodeError::InsufficientSize(size)) => size.required_size,
        _ => 0,
    };
    let written = words.encode(outbox.space(needed)).unwrap_or(0);
    outbox.filled(written);
}

pub(super) fn encrypt(
    traffic: &mut dyn Encrypt,
    outbox: &mut Outbox,
    plaintext: &[u8],
) -> Result<(), EncryptError> {
    let needed = plaintext.len() + plaintext.len().div_ceil(RECORD) * RECORD_OVERHEAD;
    append(outbox, needed, |space| traffic.encrypt(plaintext, space))
}

/// Lets `write` fill the outbox, with more space if it needs more than was thought (a key update goes along).
fn append(
    outbox: &mut Outbox,
    needed: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<(), EncryptError> {
    let mut written = write(outbox.space(needed));
    if let Err(EncryptError::InsufficientSize(size)) = &written {
        written = write(outbox.space(size.required_size));
    }
    outbox.filled(written?);
    Ok(())
}

/// Answers one state of the session; returns how many input bytes are used up.
fn advance<D>(status: UnbufferedStatus<'_, '_, D>, hands: Hands<'_>) -> (usize, Result<Step, rustls::Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let step = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    (hands.plaintext)(record.payload);
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(Step::Plaintext),
            }
        },
        Ok(ConnectionState::EncodeTlsData(words)) => {
            encode(words, hands.outbox);
            Ok(Step::Again)
        }
        Ok(ConnectionState::TransmitTlsData(words)) => {
            words.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Step::Starved),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Step::Ready),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::PeerClosed),
        Ok(state) => Err(rustls::Error::General(format!("unexpected state {state:?}"))),
        Err(error) => Err(error),
    };
    (discard, step)
}

/// Adds the closing word.
pub(super) fn close(traffic: &mut dyn Encrypt, outbox: &mut Outbox) -> Result<(), EncryptError> {
    append(outbox, RECORD_OVERHEAD + 2, |space| traffic.close(space))
}
