//! How many announces a second the server takes, and how much memory it has then: the server is a child of the load
//! maker.
//!
//! ```text
//! cargo run --release -p truecopy-server --example load -- [PEERS [PEERS_PER_SHARE [CONNECTIONS [STORE]]]]
//! ```
//! First every peer makes a signed announce (signed before the clock starts), then each announces with its token,
//! several times. STORE is a file or the address of a Redis. All come from one address, hence without the limits of
//! sources.

#![allow(clippy::unwrap_used, reason = "a measurement stops at the first surprise")]

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use truecopy_protocol::content::identity::Nonce;
use truecopy_protocol::job::Signature;
use truecopy_protocol::{DiscoveryKey, UnixTime, hex};
use truecopy_server::http::{Config, Server};
use truecopy_server::store::{DiskStore, RedisStore, Store};
use truecopy_server::tracker::{Announce, Event, Proof, Random};
use truecopy_transport::keys::KeyPair;

const ORIGIN: &str = "http://load.example";
/// The first argument of the child.
const SERVE: &str = "serve";
/// Announces with the token, for each signed one.
const ROUNDS: usize = 5;

/// What one connection sends, and what came of it.
struct Lane {
    requests: Vec<Vec<u8>>,
    tokens: Vec<String>,
    took: Vec<Duration>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == SERVE) {
        return serve(arguments.get(1).map(String::as_str));
    }
    let number = |place: usize, default| arguments.get(place).map_or(default, |text| text.parse().unwrap());
    let (peers, per_share, conns): (usize, usize, usize) = (number(0, 20_000), number(1, 5), number(2, 64));
    let kept = arguments.get(3).map_or("in memory", String::as_str);
    println!("{peers} peers, {per_share} a share, {conns} connections, {kept}; {}", burden());
    let mut lanes: Vec<Lane> = (0..conns).map(|lane| Lane::signed(lane, peers / conns, per_share)).collect();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE)
        .args(arguments.get(3))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    let empty = resident(server.id());
    let runtime = Runtime::new().unwrap();
    lanes = measure(&runtime, address, "first (signed)", lanes);
    if let (Some(empty), Some(full)) = (empty, resident(server.id())) {
        let each = full.saturating_sub(empty) / peers as u64;
        println!("the server's resident set: {} MiB, {each} bytes a peer", full >> 20);
    }
    lanes = lanes.into_iter().map(|lane| lane.with_tokens(ROUNDS)).collect();
    measure(&runtime, address, "with token", lanes);
    println!("afterwards: {}", burden());
    // The end of its input is its signal.
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}

/// What else the machine does.
fn burden() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load of the machine {}", load.split(' ').next().unwrap_or("unknown"))
}

/// Bytes of a process in memory, where the system tells.
fn resident(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The server: says where it listens, and ends when its input does.
fn serve(store: Option<&str>) {
    let store: Option<Box<dyn Store>> = match store {
        None => None,
        Some(url) if url.contains("://") => Some(Box::new(RedisStore::open(url).unwrap())),
        Some(path) => Some(Box::new(DiskStore::open(Path::new(path)).unwrap())),
    };
    let mut config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        origin: Some(ORIGIN.to_owned()),
        ..Config::default()
    };
    config.rate.per_second = 0;
    config.tracker.min_interval = 0;
    (config.tracker.share_keys_max, config.tracker.source_keys_max) = (usize::MAX, usize::MAX);
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async { Server::bind(config, store) }).unwrap();
    println!("{}", server.addresses()[0]);
    runtime.block_on(async {
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        server.run(async { drop(ended.await) }).await;
    });
}

impl Lane {
    /// Signed announces of new nodes.
    fn signed(lane: usize, count: usize, per_share: usize) -> Self {
        // As far ahead as a statement may be, nearly: with very many the last ones are sent some minutes from now.
        let time = UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 240);
        let mut random = Random::new(lane as u64);
        let mut bytes = || {
            let mut bytes = [0; 32];
            bytes.chunks_mut(8).for_each(|part| part.copy_from_slice(&random.next().to_le_bytes()));
            bytes
        };
        let mut discovery = DiscoveryKey(bytes());
        let mut requests = Vec::new();
        for number in 0..count {
            if number % per_share == 0 {
                discovery = DiscoveryKey(bytes());
            }
            let keys = KeyPair::generate().unwrap();
            let nonce = Nonce(bytes());
            let proof = Proof::Signed { time, nonce, signature: Signature([0; 64]) };
            let (node, port, event) = (keys.node_id(), 7000.try_into().unwrap(), Event::Started);
            let announce = Announce { discovery, node, port, left: 5, event, proof };
            let signature = keys.sign(&announce.statement(ORIGIN, time, &nonce));
            let head = format!(
                "{{\"discovery\":\"{}\",\"node\":\"{}\",\"port\":7000,\"left\":5,",
                hex(&discovery.0),
                hex(&node.0)
            );
            let body = format!(
                "{head}\"event\":\"started\",\"time\":{},\"nonce\":\"{}\",\"signature\":\"{}\"}}",
                time.0,
                hex(&nonce.0),
                hex(&signature.0)
            );
            requests.push(request(&body));
        }
        Self { requests, tokens: Vec::new(), took: Vec::new() }
    }

    /// The same announces with the tokens that were given for them, `rounds` times.
    fn with_tokens(self, rounds: usize) -> Self {
        let with = |(request, token): (&Vec<u8>, &String)| {
            let text = std::str::from_utf8(request).unwrap();
            let body = &text[text.find('{').unwrap()..text.find("\"event\"").unwrap()];
            request_with(body, token)
        };
        let once: Vec<Vec<u8>> = self.requests.iter().zip(&self.tokens).map(with).collect();
        Self { requests: vec![once; rounds].concat(), tokens: Vec::new(), took: Vec::new() }
    }

    async fn run(mut self, address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut buffer = Vec::with_capacity(16 * 1024);
        for request in &self.requests {
            let start = Instant::now();
            stream.write_all(request).await.unwrap();
            buffer.clear();
            while !is_whole(&buffer) {
                assert!(stream.read_buf(&mut buffer).await.unwrap() > 0, "the server hung up");
            }
            self.took.push(start.elapsed());
            let text = std::str::from_utf8(&buffer).unwrap();
            assert!(text.starts_with("HTTP/1.1 200"), "{text}");
            let (_, token) = text.split_once("\"token\":\"").unwrap();
            self.tokens.push(token[..80].to_owned());
        }
        self
    }
}

fn request(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /announce HTTP/1.1\r\nhost: load\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn request_with(start: &str, token: &str) -> Vec<u8> {
    request(&format!("{start}\"token\":\"{token}\"}}"))
}

/// Whether head and body of an answer are there.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|part| part == b"\r\n\r\n") else { return false };
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    let (_, length) = text.split_once("content-length: ").unwrap();
    let length: usize = length.lines().next().unwrap().parse().unwrap();
    bytes.len() >= head + 4 + length
}

/// Runs all connections at once and prints what they saw.
fn measure(runtime: &Runtime, address: SocketAddr, what: &str, lanes: Vec<Lane>) -> Vec<Lane> {
    let start = Instant::now();
    let lanes: Vec<Lane> = runtime.block_on(async {
        let gate = Arc::new(tokio::sync::Barrier::new(lanes.len()));
        let tasks: Vec<_> = lanes
            .into_iter()
            .map(|lane| {
                let gate = Arc::clone(&gate);
                tokio::spawn(async move {
                    gate.wait().await;
                    lane.run(address).await
                })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            done.push(task.await.unwrap());
        }
        done
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut took: Vec<Duration> = lanes.iter().flat_map(|lane| lane.took.iter().copied()).collect();
    took.sort_unstable();
    let at = |part: usize| took[(took.len() - 1) * part / 100];
    println!(
        "{what}: {} announces, {:.0}/s, p50 {:.2?}, p99 {:.2?}",
        took.len(),
        took.len() as f64 / seconds,
        at(50),
        at(99)
    );
    lanes
}
