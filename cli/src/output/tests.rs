use std::path::Path;

use serde_json::Value;
use truecopy_mio::prepare::{Progress, WhyDropped};
use truecopy_protocol::UnixTime;
use truecopy_protocol::output::Turn;

use super::*;
use crate::engine::news::{News, Offering, Shape, State, Who};
use crate::exit::{Error, Exit};
use crate::rooms::Kind;

const NODE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const LINK: Link<'_> = Link { node: NODE, path: "tcp", address: "192.0.2.1:7000" };
const NAME: &[u8] = b"evil\x1b[31m\xff";

const HALF_DONE: HalfDone<'_> = HalfDone {
    folder: NAME,
    name: Some(NAME),
    verified: 3,
    total: 9,
    held: Holding::Held { process: Some(7) },
};

const REPLAYED: Replayed<'_> = Replayed {
    program: "1.0\x1b[31m",
    inputs: 9,
    lasted: 1234,
    streams: 5,
    disks: 6,
    end: None,
    unlike: Some(Unlike { input: 3, at: 7, what: "x\x1b[31m", recorded: "y\n\u{202e}", replayed: "z\r" }),
};

const ROW: PeerRow<'_> = PeerRow {
    link: LINK,
    is_dialled: true,
    received: 9 << 20,
    sent: 0,
    down: 3 << 20,
    up: 0,
    has: 3,
    of: 4,
    theirs: Turn::Served,
    ours: Turn::Idle,
};

fn kept() -> KeptShare<'static> {
    KeptShare { name: NAME, files: 3, bytes: 9, content: NODE, folder: Path::new("/there") }
}

fn moved(verified: u64) -> Event<'static> {
    let (name, total) = (&b"photos"[..], 3_328_599_654);
    Event::Moving(Moved { name, verified, received: verified, total, link: Some(LINK), peers: 1 })
}

/// One of each event, with hostile names.
fn all() -> Vec<Event<'static>> {
    let contents = Contents { name: NAME, files: 3, entries: 5, bytes: 7, chunk: 262_144, content: NODE };
    let progress = Progress { entries: 3, bytes_total: 9, bytes_done: 4 };
    let placed = Placed { files: 3, already: 1, skipped: 2, bytes: 9 };
    let path = Path::new("/tmp/there");
    let mut all = vec![
        Event::Reading(Reading { progress }),
        Event::Share { stage: Stage::Prepared, contents },
        Event::Share { stage: Stage::Offered, contents },
        Event::Share { stage: Stage::Listed, contents },
        Event::Entry { path: NAME, what: Listed::File { size: 3, root: NODE, mode: 0o644 } },
        Event::Entry { path: NAME, what: Listed::Folder },
        Event::Entry { path: NAME, what: Listed::Symlink { target: NAME } },
        Event::Ticket { ticket: "truecopy:abc" },
        Event::TicketNames { content: NODE, node: NODE, addresses: &[], trackers: &[] },
        Event::ShareLink { link: "truecopy-link:abc" },
        Event::LinkNames { content: NODE, access: Access::Secret, trackers: &[] },
        Event::Listening { address: "[::]:7000" },
        Event::Written { path, bytes: 3 },
        Event::Connected(LINK),
        Event::Resumed { verified: 3, total: 9 },
        Event::Limits { up: Some(5), down: None },
        moved(5),
        Event::Sent(Sent { name: NAME, bytes: 3, total: 9, link: LINK, all: 5, receivers: 1 }),
        Event::Given { name: NAME, bytes: 3, link: LINK, all: 5 },
        Event::Peers(&[ROW]),
        Event::Map { cells: &[(0, 3), (1, 3), (3, 3)] },
        Event::Kept(kept()),
        Event::Forgotten(kept()),
        Event::Skipped { path: NAME, why: "the name is reserved here" },
        Event::Receipt { node: NODE, address: "192.0.2.1:7000", placed },
        Event::Done { placed, content: NODE, path },
        Event::Verified { files: 3, bytes: 9, differences: 1, content: NODE },
        Event::Digest(DigestOf { path: NAME, sha256: NODE }),
        Event::Note { text: "a word\nand more" },
        Event::Warning { text: "a word" },
        Event::HalfDone(HALF_DONE),
        Event::Replayed(REPLAYED),
        Event::Replayed(Replayed { end: Some(RecordingEnd::CutOff), unlike: None, ..REPLAYED }),
        Event::Removed(HalfDone { name: None, held: Holding::Free, ..HALF_DONE }),
    ];
    let reasons = [
        WhyDropped::Device,
        WhyDropped::Pipe,
        WhyDropped::Socket,
        WhyDropped::LinkLeadsOut,
        WhyDropped::LinkUnwanted,
        WhyDropped::SpecialBits,
    ];
    all.extend(reasons.map(|why| Event::Dropped { path: NAME, why }));
    let waits = [
        Waiting::Receivers,
        Waiting::Connecting { address: "192.0.2.1:7000" },
        Waiting::Retrying { why: "no answer", next: Duration::from_secs(3) },
        Waiting::Preparing { percent: 40 },
        Waiting::PausedThere,
        Waiting::PausedHere,
        Waiting::Rechecking,
        Waiting::Disk,
        Waiting::Held { process: Some(7) },
        Waiting::Held { process: None },
        Waiting::Decision,
        Waiting::Manifest,
        Waiting::Comparing,
        Waiting::Resumed,
    ];
    all.extend(waits.map(Event::Waiting));
    let ends = [Gone::Finished, Gone::Goodbye { why: "cancelled" }, Gone::Lost { why: "reset" }];
    all.extend(ends.map(|why| Event::Disconnected { link: LINK, why }));
    let conflicts = [
        Conflict::Taken { why: "a folder is there" },
        Conflict::AlreadyHere,
        Conflict::Skipped,
        Conflict::Renamed { to: NAME },
        Conflict::Replaced,
    ];
    all.extend(conflicts.map(|what| Event::Conflict { path: NAME, what }));
    let differences = [
        Difference::Missing,
        Difference::Extra,
        Difference::OtherKind,
        Difference::OtherTarget,
        Difference::Content { expected: 9, found: 8, ranges: &[0..3, 5..9] },
        Difference::Unreadable { why: "permission denied" },
    ];
    all.extend(differences.map(|how| Event::Differs { path: NAME, how }));
    all
}

/// As much of JSON Schema as our schema uses.
fn check(value: &Value, schema: &Value) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{value}: {what}: {schema}"));
    if schema.get("const").is_some_and(|wanted| wanted != value) {
        return fail("not the constant");
    }
    if schema.get("enum").is_some_and(|all| !all.as_array().unwrap().contains(value)) {
        return fail("not among the values");
    }
    let fits = match schema.get("type").and_then(Value::as_str) {
        None => true,
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some(other) => return fail(other),
    };
    if !fits {
        return fail("another type");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        values.iter().try_for_each(|value| check(value, items))?;
    }
    if let (Some(known), Some(fields)) = (schema.get("properties"), value.as_object()) {
        for required in schema["required"].as_array().unwrap() {
            if !fields.contains_key(required.as_str().unwrap()) {
                return fail(&format!("without {required}"));
            }
        }
        for (key, value) in fields {
            check(value, known.get(key).ok_or_else(|| format!("unknown field {key}: {value}"))?)?;
        }
    }
    Ok(())
}

fn all_news() -> Vec<News> {
    let evil = || String::from_utf8_lossy(NAME).into_owned();
    let who = || Who { node: truecopy_protocol::NodeId([7; 32]), name: evil() };
    let shape = Shape {
        number: 3,
        comes: true,
        name: NAME.to_vec(),
        with: Some(who()),
        state: State::Failed(evil()),
        moved: 5,
        size: 9,
        down: 1,
        up: 2,
        ticket: None,
    };
    vec![
        News::Listening(evil()),
        News::Answering(evil()),
        News::Myself(who().node),
        News::Met { who: who(), address: evil(), is_new: true },
        News::Left { who: who(), why: evil() },
        News::Said { from: who(), time: UnixTime(7), text: evil(), to_all: false },
        News::Delivered { to: who(), tag: 1 },
        News::Undelivered { to: evil(), what: evil(), why: evil(), tag: 1 },
        News::Offered(Offering { number: 1, from: who(), name: evil(), size: 2, files: 3 }),
        News::Transfer(shape),
        News::Room(Kind::Private),
        News::Code("truecopy-room:abc".into()),
        News::Forgotten { number: 3 },
        News::Ticket { number: 3, ticket: "truecopy:abc".into() },
        News::Here { who: who(), address: evil() },
        News::Note(evil()),
        News::Trouble(evil()),
    ]
}

fn check_line(line: &str) -> String {
    let schema: Value = serde_json::from_str(include_str!("../../../docs/json-schema.json")).unwrap();
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1);
    let value: Value = serde_json::from_str(line).unwrap();
    let ev = value["ev"].as_str().unwrap();
    let kinds = schema["oneOf"].as_array().unwrap();
    let kind = kinds.iter().find(|kind| kind["properties"]["ev"]["const"] == *ev);
    check(&value, kind.unwrap_or_else(|| panic!("{ev} is not in the schema"))).unwrap();
    ev.to_owned()
}

#[test]
fn every_line_is_as_the_schema_says_and_every_kind_occurs() {
    let now = Duration::from_millis(5);
    let mut seen: Vec<String> = all().iter().map(|event| check_line(&json::line(now, event))).collect();
    for exit in Exit::ALL.into_iter().skip(1) {
        seen.push(check_line(&json::failure(now, &Error::new(exit, "what").hint("hint"))));
    }
    seen.extend(all_news().iter().map(|news| check_line(&news.json(now))));
    let schema: Value = serde_json::from_str(include_str!("../../../docs/json-schema.json")).unwrap();
    for kind in schema["oneOf"].as_array().unwrap() {
        assert!(seen.iter().any(|ev| kind["title"] == **ev), "{} is never told", kind["title"]);
    }
    let page = include_str!("../../../docs/json.md");
    assert!(seen.iter().all(|ev| page.contains(&format!("| `{ev}` |"))));
}

#[test]
fn no_event_lets_a_hostile_name_through() {
    let lines = all_news().into_iter().flat_map(|news| [news.line(), news.json(Duration::ZERO)]);
    for text in lines {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
    for event in all() {
        let mut texts = vec![json::line(Duration::ZERO, &event)];
        texts.extend(human::sentence(&event));
        texts.extend(human::product_shown(&event).map(|bytes| String::from_utf8(bytes).unwrap()));
        texts.extend(human::progress(&event, &Rate::default(), Some(5)));
        for text in texts {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
    }
}

#[test]
fn the_bar_has_all_that_was_promised() {
    let mut rate = Rate::default();
    for second in 0..4 {
        rate.observe(Duration::from_secs(second), second * 88_080_384);
    }
    let line = human::progress(&moved(2_070_000_000), &rate, None).unwrap();
    assert_eq!(line, "photos  62% verified 1.9/3.1 GiB  84.0 MiB/s  eta 15s  tcp 192.0.2.1:7000");
}

#[test]
fn a_plain_line_comes_every_five_seconds_and_at_each_change() {
    let mut live = Live::default();
    let mut at = |ms, event: Event<'_>| live.plain(Duration::from_millis(ms), &event);
    assert!(at(0, moved(0)).is_some());
    assert_eq!(at(1000, moved(1000)), None);
    assert_eq!(
        at(2000, Event::Waiting(Waiting::PausedThere)).unwrap(),
        "waiting: the other side is paused\n"
    );
    assert_eq!(at(2500, Event::Waiting(Waiting::PausedThere)), None);
    assert!(at(3000, moved(2000)).is_some());
    assert_eq!(at(7900, moved(3000)), None);
    assert!(at(8000, moved(4000)).is_some());
}

#[test]
fn a_sentence_takes_the_live_line_away_and_puts_it_back() {
    let mut live = Live::default();
    let first = live.terminal(Duration::ZERO, &moved(0), None);
    assert!(first.starts_with("photos  0% verified"), "{first}");
    let connected = Event::Connected(LINK);
    let text = live.terminal(Duration::from_millis(10), &connected, human::sentence(&connected));
    assert_eq!(text, format!("\r\x1b[2Kconnected: 0011223344556677 at tcp 192.0.2.1:7000\n{first}"));
    assert_eq!(live.clear(), "\r\x1b[2K");
}

#[test]
fn the_table_of_peers_shows_those_first_that_move_most() {
    let far = Link { address: "[2001:db8::1]:7000", ..LINK };
    let slow = PeerRow { link: far, is_dialled: false, down: 0, up: 1 << 20, of: 0, ..ROW };
    let slow = PeerRow { theirs: Turn::Waits, ours: Turn::Served, ..slow };
    let wanted = "\
  peer                              from it        to it    has  state
→ 192.0.2.1:7000                  3.0 MiB/s            -    75%  gives
← [2001:db8::1]:7000                      -    1.0 MiB/s      -  chokes us";
    assert_eq!(table::peers(&[slow, ROW]).trim_start(), wanted);
    let many = table::peers(&[ROW; 20]);
    assert_eq!((many.lines().count(), many.lines().last()), (14, Some("  and 8 more")));
    assert_eq!(table::peers(&[]), "");
}

#[test]
fn the_map_shows_how_much_of_each_stretch_is_here() {
    assert_eq!(map(&[(0, 9), (1, 9), (3, 9), (8, 9), (9, 9), (0, 0)]), "·░▒▓█ ");
}

#[test]
fn what_is_beneath_the_live_line_goes_away_with_it() {
    let mut live = Live::default();
    let (map, peers) = (Event::Map { cells: &[(1, 1), (0, 1)] }, [ROW]);
    assert_eq!(live.terminal(Duration::ZERO, &map, None), "");
    assert_eq!(live.terminal(Duration::ZERO, &Event::Peers(&peers), None), "");
    let drawn = live.terminal(Duration::ZERO, &moved(0), None);
    let lines: Vec<&str> = drawn.lines().collect();
    assert!(lines[0].starts_with("photos  0% verified"), "{drawn}");
    assert_eq!((lines[1], lines.len()), ("█·", 4));
    assert_eq!(live.clear(), "\r\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K\x1b[1A\x1b[2K");
}

#[test]
fn amounts_and_counts_read_well() {
    for (bytes, text) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (3_328_599_654, "3.1 GiB"),
        (u64::MAX, "16.0 EiB"),
    ] {
        assert_eq!(amount(bytes), text);
    }
    assert_eq!(count(1, "file"), "1 file");
    assert_eq!(count(1_204, "file"), "1,204 files");
    assert_eq!(count(1_000_000, "file"), "1,000,000 files");
}

#[test]
fn digests_of_odd_names_are_escaped_as_sha256sum_does() {
    let digest = Event::Digest(DigestOf { path: b"a\nb\\c", sha256: "00" });
    assert_eq!(human::product(&digest).unwrap(), b"\\00  a\\nb\\\\c\n");
}
