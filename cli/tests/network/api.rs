//! A daemon, and the smallest client of its API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::common::World;
use crate::process::{DEADLINE, Process};

/// A daemon that writes JSON, out of a home of its own.
pub(crate) struct Daemon {
    pub(crate) process: Process,
    /// Where its API is.
    pub(crate) api: String,
    pub(crate) token: String,
    /// Where it takes connections.
    pub(crate) address: String,
    pub(crate) key: String,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The word of an error.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn command(world: &World, home: &str, args: &[&str]) -> Command {
    let mut command = world.command(args);
    command.env("TRUECOPY_HOME", world.path(home));
    command
}

impl Daemon {
    pub(crate) fn start(world: &World, home: &str, args: &[&str]) -> Self {
        let folder = format!("{home}-files");
        let mut all = vec!["daemon", "--json", "--listen", "127.0.0.1:0", "-o", &folder];
        all.extend(args);
        let process = Process::spawn(&mut command(world, home, &all));
        let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        let api = text(&process.event("answering", |_| true), "address");
        let address = text(&process.event("listening", |_| true), "address");
        let key = text(&process.event("myself", |_| true), "node");
        let token = std::fs::read_to_string(world.path(home).join("state/api.token")).unwrap();
        Self { process, api, token: token.trim().to_owned(), address, key }
    }

    /// The headers that let a request in.
    pub(crate) fn admitted(&self) -> String {
        format!("Host: {}\r\nAuthorization: Bearer {}\r\n", self.api, self.token)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.api).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends a request with these headers alone.
    #[track_caller]
    pub(crate) fn raw(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let mut stream = self.connect();
        exchange(&mut stream, method, path, headers, body)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.raw("GET", path, &self.admitted(), b"")
    }

    #[track_caller]
    pub(crate) fn post(&self, body: &Value) -> Reply {
        self.raw("POST", "/v1/orders", &self.admitted(), body.to_string().as_bytes())
    }

    /// Gives an order that is carried out; the transfer that it began.
    #[track_caller]
    pub(crate) fn order(&self, order: &Value) -> u64 {
        let reply = self.post(order);
        assert_eq!(reply.status, 200, "{order}: {}", reply.body);
        reply.json()["transfer"].as_u64().unwrap_or(0)
    }

    /// Has it steer a transfer.
    #[track_caller]
    pub(crate) fn steer(&self, word: &str, transfer: u64) {
        self.order(&json!({ "order": word, "transfer": transfer }));
    }

    /// Waits until a transfer stands so.
    #[track_caller]
    pub(crate) fn stands(&self, transfer: u64, state: &str) {
        self.process.event("transfer", |event| event["transfer"] == transfer && event["state"] == state);
    }

    /// A transfer as it is listed.
    #[track_caller]
    pub(crate) fn transfer(&self, number: u64) -> Value {
        let listed = self.get("/v1/transfers").json();
        let all = listed["transfers"].as_array().unwrap();
        all.iter().find(|transfer| transfer["transfer"] == number).unwrap_or(&Value::Null).clone()
    }

    /// A transfer closely, with ten cells, as soon as it is as it should be.
    #[track_caller]
    pub(crate) fn details(&self, number: u64, is_so: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + DEADLINE;
        loop {
            let details = self.get(&format!("/v1/transfers/{number}?cells=10")).json();
            if is_so(&details) {
                return details;
            }
            assert!(Instant::now() < until, "{details}");
        }
    }

    /// Its events from now on, or after one.
    #[track_caller]
    pub(crate) fn events(&self, last: Option<&str>) -> Events {
        let mut stream = self.connect();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        // Of HTTP/1.0, so that the body comes as it is.
        write!(stream, "GET /v1/events HTTP/1.0\r\n{}{last}\r\n", self.admitted()).unwrap();
        let mut events = Events(BufReader::new(stream));
        let mut line = String::new();
        events.0.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        while line.trim_end() != ": here" {
            line.clear();
            assert!(events.0.read_line(&mut line).unwrap() > 0);
        }
        events
    }
}

/// A stream of events.
pub(crate) struct Events(BufReader<TcpStream>);

/// One event.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Events {
    /// The next event; none at the end.
    pub(crate) fn next(&mut self) -> Option<Told> {
        let mut told = Told { kind: "message".into(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", kind)) => told.kind = kind.into(),
                Some(("id", id)) => told.id = Some(id.into()),
                Some(("data", data)) => told.data = serde_json::from_str(data).unwrap(),
                Some(_) => {}
                None if told.data.is_null() => {}
                None => return Some(told),
            }
        }
    }

    /// Waits for one.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Told) -> bool) -> Told {
        loop {
            let told = self.next().unwrap();
            if wanted(&told) {
                return told;
            }
        }
    }

    /// Waits until something of a transfer has come.
    #[track_caller]
    pub(crate) fn moves(&mut self, transfer: u64) {
        self.until(|told| {
            let rows = told.data["transfers"].as_array().map_or(&[][..], Vec::as_slice);
            let has = |row: &Value| row["transfer"] == transfer && row["moved"].as_u64() > Some(0);
            told.kind == "progress" && rows.iter().any(has)
        });
    }
}

/// Sends a request, and reads its answer.
#[track_caller]
pub(crate) fn exchange(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> Reply {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    reply(stream)
}

/// Reads an answer that has a length.
#[track_caller]
pub(crate) fn reply(stream: &mut impl Read) -> Reply {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "an answer that ends early: {head}");
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    Reply { status, head, body: String::from_utf8(body).unwrap() }
}
