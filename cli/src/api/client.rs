//! The smallest client, for commands that talk to the daemon of this home.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::orders::Given;
use super::place::{Place, none};
use super::shapes::{self, Done, Failure};
use crate::escape::Shown;
use crate::exit::{Error, Exit, Result};

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a stream of events may be silent: twice what the daemon lets it be, and more.
const SILENCE: Duration = Duration::from_secs(40);
/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// The daemon of a home.
#[derive(Debug)]
pub struct Client {
    address: String,
    token: String,
}

impl Client {
    /// Finds it by the files of the home.
    ///
    /// # Errors
    /// `NoDaemon` if there are none.
    pub fn find(place: &Place) -> Result<Self> {
        let (address, token) = place.read()?;
        Ok(Self { address, token })
    }

    /// Asks for something.
    ///
    /// # Errors
    /// `NoDaemon` if it does not answer; else what it says.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.ask("GET", path, "")
    }

    /// Gives an order.
    ///
    /// # Errors
    /// `NoDaemon` if it does not answer; else what it says.
    pub fn give(&self, order: &Given) -> Result<Done> {
        self.ask("POST", "/v1/orders", &shapes::text(order))
    }

    /// Follows what happens, as server-sent events; those after this one, or all that are held after `oldest`.
    ///
    /// # Errors
    /// `NoDaemon` if it does not answer so.
    pub fn events(&self, after: &str) -> Result<impl BufRead + use<>> {
        let lost = |error: io::Error| none(format!("the daemon tells nothing: {}", Shown::io(&error)));
        let (mut stream, host) = self.connect(SILENCE).map_err(lost)?;
        let token = &self.token;
        // By 1.0 the body comes as it is, and ends with the connection.
        write!(
            stream,
            "GET /v1/events?after={after} HTTP/1.0\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        )
        .map_err(lost)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).map_err(lost)?;
        if line.split(' ').nth(1) != Some("200") {
            return Err(none(format!("the daemon tells nothing: {}", line.trim())));
        }
        Ok(stream)
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: &str) -> Result<T> {
        let lost = |error: io::Error| none(format!("the daemon does not answer: {}", Shown::io(&error)));
        let (status, body) = self.exchange(method, path, body).map_err(lost)?;
        let strange =
            || Error::new(Exit::Unexpected, "the daemon says what this program does not understand");
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| strange());
        }
        let failure: Failure = serde_json::from_slice(&body).map_err(|_| strange())?;
        let exit = match status {
            // Somebody else listens there, or the daemon was started anew at this moment.
            401 | 403 => Exit::NoDaemon,
            503 if failure.error == "ending" => Exit::NoDaemon,
            503 | 504 => Exit::Limit,
            _ => Exit::ALL.into_iter().find(|exit| exit.word() == failure.error).unwrap_or(Exit::Unexpected),
        };
        let error = Error::new(exit, failure.what);
        Err(match failure.hint {
            Some(hint) => error.hint(hint),
            None => error,
        })
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
        let (mut stream, host) = self.connect(PATIENCE)?;
        let (token, length) = (&self.token, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer)?;
        parse(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn connect(&self, silence: Duration) -> io::Result<(Box<dyn Stream>, &str)> {
        #[cfg(unix)]
        if let Some(path) = self.address.strip_prefix("unix:") {
            let stream = std::os::unix::net::UnixStream::connect(path)?;
            stream.set_read_timeout(Some(silence))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            return Ok((Box::new(stream), "localhost"));
        }
        let address = self.address.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(silence))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok((Box::new(stream), &self.address))
    }
}

/// The status and the body of a whole answer, which ends with its connection.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer[end + 4..].to_vec()))
}
