//! A server in this process, and the smallest client that keeps its connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::job::Signature;
use truecopy_protocol::{DiscoveryKey, UnixTime, hex};
use truecopy_server::http::{Config, Server};
use truecopy_server::store::Store;
use truecopy_server::tracker::{Announce, Event, Proof};
use truecopy_transport::keys::KeyPair;

pub(crate) const ORIGIN: &str = "https://tracker.example";

/// So that a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// A server on loopback with a store of its own choice, after `adjust` changed its configuration.
    pub(crate) fn start(store: Option<Box<dyn Store>>, adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            origin: Some(ORIGIN.to_owned()),
            ..Config::default()
        };
        config.rate.per_second = 0;
        config.tracker.min_interval = 0;
        adjust(&mut config);
        let (tell, told) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(config, store).unwrap();
                tell.send(server.addresses()[0]).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
        });
        let address = told.recv().unwrap();
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Tells it to end, without waiting.
    pub(crate) fn tell_to_end(&mut self) {
        drop(self.stop.take());
    }

    /// Ends it as a signal would.
    pub(crate) fn end(mut self) {
        self.tell_to_end();
        self.thread.take().unwrap().join().unwrap();
    }
}

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// Sent with every request.
    pub(crate) headers: String,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The code of an error.
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), headers: String::new() }
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.request("GET", path, &[])
    }

    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Reply {
        self.request("POST", path, body.to_string().as_bytes())
    }

    pub(crate) fn request(&mut self, method: &str, path: &str, body: &[u8]) -> Reply {
        let headers = &self.headers;
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: t\r\ncontent-length: {length}\r\n{headers}\r\n");
        self.send(&[head.as_bytes(), body].concat());
        self.reply()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let mut status = String::new();
        self.stream.read_line(&mut status).unwrap();
        let status = status.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {status:?}"));
        let status = status.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").unwrap().parse().unwrap();
        reply.body.resize(length, 0);
        self.stream.read_exact(&mut reply.body).unwrap();
        reply
    }

    pub(crate) fn read_line(&mut self, line: &mut String) {
        self.stream.read_line(line).unwrap();
    }

    /// Whether the server has closed the connection, having sent nothing more.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0]).unwrap() == 0
    }
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn share(number: u8) -> DiscoveryKey {
    DiscoveryKey([number; 32])
}

/// A signed announce with a fresh nonce, as the body that is sent.
pub(crate) fn signed(keys: &KeyPair, share: DiscoveryKey, port: u16, event: &str, left: u64) -> Value {
    signed_at(keys, share, port, event, left, now())
}

pub(crate) fn signed_at(
    keys: &KeyPair,
    share: DiscoveryKey,
    port: u16,
    event: &str,
    left: u64,
    time: u64,
) -> Value {
    let nonce = Nonce(*KeyPair::generate().unwrap().seed());
    let known = match event {
        "started" => Event::Started,
        "stopped" => Event::Stopped,
        "completed" => Event::Completed,
        _ => Event::None,
    };
    let proof = Proof::Signed { time: UnixTime(time), nonce, signature: Signature([0; 64]) };
    let port = port.try_into().unwrap();
    let announce = Announce { discovery: share, node: keys.node_id(), port, left, event: known, proof };
    let signature = keys.sign(&announce.statement(ORIGIN, UnixTime(time), &nonce));
    json!({
        "discovery": hex(&share.0), "node": hex(&keys.node_id().0), "port": port, "left": left, "event": event,
        "time": time, "nonce": hex(&nonce.0), "signature": hex(&signature.0),
    })
}

/// The same announce with a token in place of the signature.
pub(crate) fn with_token(announce: &Value, token: &Value) -> Value {
    let mut announce = announce.clone();
    let fields = announce.as_object_mut().unwrap();
    ["time", "nonce", "signature"].iter().for_each(|field| drop(fields.remove(*field)));
    fields.insert("token".to_owned(), token.clone());
    announce
}
