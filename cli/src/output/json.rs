//! One JSON object a line: `{"v":1,"t":ms,"ev":"…",…}`. Described in `docs/json.md` and `docs/json-schema.json`.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use truecopy_mio::prepare::WhyDropped;
use truecopy_protocol::hex;
use truecopy_protocol::output::Turn;

use super::event::{
    Conflict, Contents, Difference, Event, Gone, HalfDone, Holding, KeptShare, Link, Listed, Moved, PeerRow,
    Placed, RecordingEnd, Replayed, Stage, Waiting,
};
use super::table;
use crate::escape::json_string;
use crate::exit::{Error, Retry};

/// The version of the lines.
const VERSION: u64 = 1;

/// A JSON object under construction.
#[derive(Debug)]
pub struct Object(String);

impl Object {
    /// An event at this time.
    pub fn event(now: Duration, name: &str) -> Self {
        let ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Self(String::from("{")).number("v", VERSION).number("t", ms).text("ev", name)
    }

    /// A string of this program.
    #[must_use]
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        json_string(&mut self.0, value.as_bytes());
        self
    }

    /// A name from outside: if it is not UTF-8, its bytes follow in hexadecimal under `<key>_hex`.
    #[must_use]
    pub fn name(mut self, key: &str, bytes: &[u8]) -> Self {
        self.key(key);
        json_string(&mut self.0, bytes);
        match std::str::from_utf8(bytes) {
            Ok(_) => self,
            Err(_) => self.text(&format!("{key}_hex"), &hex(bytes)),
        }
    }

    /// A number.
    #[must_use]
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        // Writing to a String does not fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// A truth.
    #[must_use]
    pub fn truth(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// A list of strings of this program.
    #[must_use]
    pub fn texts(mut self, key: &str, values: &[String]) -> Self {
        self.key(key);
        self.0.push('[');
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            json_string(&mut self.0, value.as_bytes());
        }
        self.0.push(']');
        self
    }

    /// Ranges of bytes: `[[start,end],…]`, the end not included.
    #[must_use]
    pub fn ranges(mut self, key: &str, ranges: &[Range<u64>]) -> Self {
        self.key(key);
        let all: Vec<String> =
            ranges.iter().map(|range| format!("[{},{}]", range.start, range.end)).collect();
        // Writing to a String does not fail.
        let _ = write!(self.0, "[{}]", all.join(","));
        self
    }

    /// The line.
    pub fn line(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn key(&mut self, key: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        json_string(&mut self.0, key.as_bytes());
        self.0.push(':');
    }

    fn link(self, link: &Link<'_>) -> Self {
        self.text("node", link.node).text("path", link.path).text("address", link.address)
    }

    fn placed(self, placed: &Placed) -> Self {
        let Placed { files, already, skipped, bytes } = *placed;
        self.number("files", files)
            .number("already", already)
            .number("skipped", skipped)
            .number("bytes", bytes)
    }

    fn contents(self, contents: &Contents<'_>) -> Self {
        self.name("name", contents.name)
            .number("files", contents.files)
            .number("entries", contents.entries)
            .number("bytes", contents.bytes)
            .number("chunk", contents.chunk)
            .text("content", contents.content)
    }
}

/// The line of an event.
pub(super) fn line(now: Duration, event: &Event<'_>) -> String {
    let start = |name| Object::event(now, name);
    match event {
        Event::Reading(reading) => start("reading")
            .number("entries", reading.progress.entries)
            .number("done", reading.progress.bytes_done)
            .number("total", reading.progress.bytes_total),
        Event::Share { stage, contents } => {
            let stage = match stage {
                Stage::Prepared => "prepared",
                Stage::Offered => "offer",
                Stage::Listed => "share",
            };
            start(stage).contents(contents)
        }
        Event::Entry { path, what } => entry(start("entry").name("path", path), what),
        Event::Dropped { path, why } => start("dropped").name("path", path).text("why", dropped(*why)),
        Event::Ticket { ticket } => start("ticket").text("ticket", ticket),
        Event::TicketNames { content, node, addresses, trackers } => start("ticket-names")
            .text("content", content)
            .text("node", node)
            .texts("addresses", addresses)
            .texts("trackers", trackers),
        Event::ShareLink { link } => start("link").text("link", link),
        Event::LinkNames { content, access, trackers } => start("link-names")
            .text("content", content)
            .text("access", access.word())
            .texts("trackers", trackers),
        Event::Listening { address } => start("listening").text("address", address),
        Event::Written { path, bytes } => {
            start("written").name("path", path.as_os_str().as_encoded_bytes()).number("bytes", *bytes)
        }
        Event::Waiting(waiting) => wait(start("waiting"), waiting),
        Event::Connected(link) => start("connected").link(link),
        Event::Disconnected { link, why } => gone(start("disconnected").link(link), why),
        Event::Resumed { verified, total } => {
            start("resumed").number("verified", *verified).number("total", *total)
        }
        Event::Limits { up, down } => {
            let limits = [("up", up), ("down", down)].into_iter();
            let limits = limits.filter_map(|(key, rate)| rate.map(|rate| (key, rate)));
            limits.fold(start("limits"), |object, (key, rate)| object.number(key, rate))
        }
        Event::Moving(moved) => moving(start("progress"), moved),
        Event::Sent(sent) => start("sent")
            .name("name", sent.name)
            .number("bytes", sent.bytes)
            .number("total", sent.total)
            .link(&sent.link),
        Event::Given { name, bytes, link, all } => {
            start("given").name("name", name).number("bytes", *bytes).number("all", *all).link(link)
        }
        Event::Peers(rows) => return rows.iter().map(|row| peer(start("peer"), row).line()).collect(),
        Event::Map { cells } => start("chunks")
            .number("here", cells.iter().map(|(here, _)| u64::from(*here)).sum())
            .number("total", cells.iter().map(|(_, all)| u64::from(*all)).sum())
            .text("map", &table::map(cells)),
        Event::Kept(it) => kept(start("kept"), it),
        Event::Forgotten(it) => kept(start("forgotten"), it),
        Event::Conflict { path, what } => conflict(start("conflict").name("path", path), what),
        Event::Skipped { path, why } => start("skipped").name("path", path).text("why", why),
        Event::Receipt { node, address, placed } => {
            start("receipt").text("node", node).text("address", address).placed(placed)
        }
        Event::Done { placed, content, path } => start("done")
            .placed(placed)
            .text("content", content)
            .name("path", path.as_os_str().as_encoded_bytes()),
        Event::Differs { path, how } => differs(start("differs").name("path", path), how),
        Event::Verified { files, bytes, differences, content } => start("verified")
            .number("files", *files)
            .number("bytes", *bytes)
            .number("differences", *differences)
            .text("content", content),
        Event::HalfDone(it) => half_done(start("half-done"), it),
        Event::Removed(it) => half_done(start("removed"), it),
        Event::Replayed(it) => replayed(start("replayed"), it),
        Event::Digest(digest) => start("digest").name("path", digest.path).text("sha256", digest.sha256),
        Event::Note { text } => start("note").text("text", text),
        Event::Warning { text } => start("warning").text("text", text),
    }
    .line()
}

/// The line of a failure.
pub(super) fn failure(now: Duration, error: &Error) -> String {
    let object = Object::event(now, "error")
        .text("code", error.exit.word())
        .number("exit", u64::from(error.exit.code()))
        .truth("retryable", error.exit.retry() == Retry::Worthwhile)
        .text("what", error.what.as_str());
    match &error.hint {
        Some(hint) => object.text("hint", hint.as_str()).line(),
        None => object.line(),
    }
}

/// A word for why something was not sent.
pub(super) const fn dropped(why: WhyDropped) -> &'static str {
    match why {
        WhyDropped::Device => "device",
        WhyDropped::Pipe => "pipe",
        WhyDropped::Socket => "socket",
        WhyDropped::LinkLeadsOut => "link-leads-out",
        WhyDropped::LinkUnwanted => "link-unwanted",
        WhyDropped::SpecialBits => "special-bits",
    }
}

fn entry(object: Object, what: &Listed<'_>) -> Object {
    match what {
        Listed::File { size, root, mode } => object
            .text("kind", "file")
            .number("size", *size)
            .text("root", root)
            .text("mode", &format!("{mode:03o}")),
        Listed::Folder => object.text("kind", "folder"),
        Listed::Symlink { target } => object.text("kind", "symlink").name("target", target),
    }
}

fn wait(object: Object, waiting: &Waiting<'_>) -> Object {
    match waiting {
        Waiting::Receivers => object.text("for", "receivers"),
        Waiting::Connecting { address } => object.text("for", "connection").text("address", address),
        Waiting::Retrying { why, next } => {
            let ms = u64::try_from(next.as_millis()).unwrap_or(u64::MAX);
            object.text("for", "retry").text("why", why).number("next_ms", ms)
        }
        Waiting::Preparing { percent } => object.text("for", "sender").number("percent", u64::from(*percent)),
        Waiting::PausedThere => object.text("for", "peer-paused"),
        Waiting::PausedHere => object.text("for", "paused"),
        Waiting::Rechecking => object.text("for", "recheck"),
        Waiting::Disk => object.text("for", "disk"),
        Waiting::Held { process } => {
            let object = object.text("for", "lock");
            match process {
                Some(process) => object.number("process", u64::from(*process)),
                None => object,
            }
        }
        Waiting::Decision => object.text("for", "decision"),
        Waiting::Manifest => object.text("for", "manifest"),
        Waiting::Comparing => object.text("for", "comparison"),
        Waiting::Resumed => object.text("for", "peer-resumed"),
    }
}

fn half_done(object: Object, it: &HalfDone<'_>) -> Object {
    let object = object.name("folder", it.folder).number("verified", it.verified).number("total", it.total);
    let object = match it.name {
        Some(name) => object.name("name", name),
        None => object,
    };
    match it.held {
        Holding::Free => object.truth("in_use", false),
        Holding::Held { process: None } => object.truth("in_use", true),
        Holding::Held { process: Some(process) } => {
            object.truth("in_use", true).number("process", u64::from(process))
        }
    }
}

fn replayed(object: Object, it: &Replayed<'_>) -> Object {
    let end = match it.end {
        None => "not-reached",
        Some(RecordingEnd::Finished) => "finished",
        Some(RecordingEnd::CutOff) => "cut-off",
        Some(RecordingEnd::Damaged) => "damaged",
    };
    let object = object
        .truth("same", it.unlike.is_none())
        .number("inputs", it.inputs)
        .number("ms", it.lasted)
        .number("streams", it.streams)
        .number("disks", it.disks)
        .text("end", end)
        .text("program", it.program);
    match &it.unlike {
        None => object,
        Some(unlike) => object
            .number("input", unlike.input)
            .number("at_ms", unlike.at)
            .text("what", unlike.what)
            .text("recorded", unlike.recorded)
            .text("replayed", unlike.replayed),
    }
}

fn gone(object: Object, why: &Gone<'_>) -> Object {
    match why {
        Gone::Finished => object.text("why", "finished"),
        Gone::Goodbye { why } => object.text("why", "goodbye").text("reason", why),
        Gone::Lost { why } => object.text("why", "lost").text("reason", why),
    }
}

fn moving(object: Object, moved: &Moved<'_>) -> Object {
    let object = object
        .name("name", moved.name)
        .number("verified", moved.verified)
        .number("received", moved.received)
        .number("total", moved.total)
        .number("peers", u64::from(moved.peers));
    match &moved.link {
        Some(link) => object.link(link),
        None => object,
    }
}

fn peer(object: Object, row: &PeerRow<'_>) -> Object {
    let turn = |turn| match turn {
        Turn::Idle => "idle",
        Turn::Waits => "choked",
        Turn::Served => "served",
    };
    let object = object
        .link(&row.link)
        .truth("dialled", row.is_dialled)
        .number("received", row.received)
        .number("sent", row.sent)
        .number("down", row.down)
        .number("up", row.up)
        .text("we_are", turn(row.theirs))
        .text("it_is", turn(row.ours));
    match row.of {
        0 => object,
        of => object.number("has", u64::from(row.has)).number("of", u64::from(of)),
    }
}

fn kept(object: Object, it: &KeptShare<'_>) -> Object {
    object
        .name("name", it.name)
        .number("files", it.files)
        .number("bytes", it.bytes)
        .text("content", it.content)
        .name("folder", it.folder.as_os_str().as_encoded_bytes())
}

fn conflict(object: Object, what: &Conflict<'_>) -> Object {
    match what {
        Conflict::Taken { why } => object.text("what", "taken").text("why", why),
        Conflict::AlreadyHere => object.text("what", "already-here"),
        Conflict::Skipped => object.text("what", "skipped"),
        Conflict::Renamed { to } => object.text("what", "renamed").name("to", to),
        Conflict::Replaced => object.text("what", "replaced"),
    }
}

fn differs(object: Object, how: &Difference<'_>) -> Object {
    match how {
        Difference::Missing => object.text("how", "missing"),
        Difference::Extra => object.text("how", "extra"),
        Difference::OtherKind => object.text("how", "other-kind"),
        Difference::OtherTarget => object.text("how", "other-target"),
        Difference::Content { expected, found, ranges } => object
            .text("how", "content")
            .number("expected", *expected)
            .number("found", *found)
            .ranges("ranges", ranges),
        Difference::Unreadable { why } => object.text("how", "unreadable").text("why", why),
    }
}
