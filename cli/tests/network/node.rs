//! Nodes that talk: through pipes and on a terminal.

use std::fs;
use std::io::Write;
use std::process::ChildStdin;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{World, sample};
use crate::process::{Process, assert_same, names};
use crate::terminal::Terminal;

/// A node that writes JSON, out of a home of its own, and where to type.
struct Node {
    process: Process,
    input: ChildStdin,
    address: String,
    key: String,
}

impl Node {
    fn start(world: &World, home: &str, args: &[&str]) -> Self {
        Self::at(world, home, "127.0.0.1:0", args)
    }

    fn at(world: &World, home: &str, listen: &str, args: &[&str]) -> Self {
        let folder = format!("{home}-files");
        let mut all = vec!["node", "--json", "--listen", listen, "-o", &folder];
        all.extend(args);
        let (process, input) = Process::piped(world.command(&all).env("TRUECOPY_HOME", world.path(home)));
        let address = text(&process.event("listening", |_| true), "address");
        let key = text(&process.event("myself", |_| true), "node");
        Self { process, input, address, key }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// Waits until it has heard this.
    #[track_caller]
    fn hears(&self, from: &Self, text: &str) {
        self.process.event("said", |event| event["text"] == text && event["node"] == *from.key);
    }
}

fn text(event: &Value, key: &str) -> String {
    event[key].as_str().unwrap().to_owned()
}

#[test]
fn nodes_talk_both_ways_and_to_all() {
    let world = World::new();
    let mut one = Node::start(&world, "one", &[]);
    let mut two = Node::start(&world, "two", &[]);
    let mut three = Node::start(&world, "three", &[]);
    two.types(&format!("send {} héllo \u{1b}[2J wörld", one.address));
    one.hears(&two, "héllo \u{1b}[2J wörld");
    two.process.event("delivered", |event| event["node"] == *one.key);
    // By the beginning of its key, and by a name.
    one.types(&format!("name {} zwei", &two.key[..8]));
    one.types("send zwei right back");
    two.hears(&one, "right back");
    // The third learns of the second by the first.
    three.types(&format!("connect {}", one.address));
    three.process.event("met", |event| event["node"] == *two.key);
    three.types("broadcast all of you");
    for node in [&one, &two] {
        node.hears(&three, "all of you");
    }
    two.types("quit");
    assert!(two.process.exits(0).events().len() > 4, "each is as the schema says");
    one.process.event("left", |event| event["node"] == *two.key && event["name"] == "zwei");
}

#[test]
fn who_is_here_already_is_not_looked_for_at_another_address() {
    let world = World::new();
    let mut one = Node::start(&world, "one", &[]);
    let mut two = Node::start(&world, "two", &[]);
    two.types(&format!("connect {}", one.address));
    one.process.event("met", |event| event["node"] == *two.key);
    one.types(&format!("send {} to somebody who came by itself", two.address));
    two.hears(&one, "to somebody who came by itself");
    one.process.event("delivered", |_| true);
    one.types(&format!("connect {}", two.address));
    one.process.event("note", |event| text(event, "text").ends_with("is here already"));
    one.types("quit");
    let told = one.process.exits(0).events();
    let is_lost = |event: &Value| event["ev"] == "note" && text(event, "text").contains("not reached");
    assert!(!told.iter().any(is_lost), "{told:?}");
}

#[test]
fn what_is_offered_is_shown_and_moves_when_it_is_accepted() {
    let world = World::new();
    sample(&world);
    let mut one = Node::start(&world, "one", &[]);
    let mut two = Node::start(&world, "two", &[]);
    two.types(&format!("sendfile {} share", one.address));
    let offered = one.process.event("offered", |_| true);
    assert_eq!((&offered["title"], &offered["files"]), (&"share".into(), &3.into()), "{offered}");
    assert!(!world.path("one-files").exists(), "nothing moves before it is accepted");
    one.types(&format!("accept {} elsewhere", offered["offer"]));
    one.process.event("transfer", |event| event["state"] == "done");
    two.process.event("transfer", |event| event["state"] == "done");
    assert_same(&world.path("share"), &world.path("elsewhere/share"));
    // Another is declined, a third is taken in part.
    two.types(&format!("sendfile {} share", one.key));
    let second = one.process.event("offered", |event| event["offer"] != offered["offer"]);
    one.types(&format!("decline {}", second["offer"]));
    two.process.event("transfer", |event| event["state"] == "declined");
    two.types(&format!("sendfile {} share", one.key));
    let is_third = |event: &Value| event["offer"] != offered["offer"] && event["offer"] != second["offer"];
    let third = one.process.event("offered", is_third);
    one.types(&format!("accept {} part --only large", third["offer"]));
    one.process.event("transfer", |event| event["state"] == "done" && event["transfer"] == third["offer"]);
    assert_eq!(names(&world.path("part/share")), ["large"]);
}

#[test]
fn who_cannot_be_reached_offers_files_all_the_same() {
    let world = World::new();
    sample(&world);
    // As behind a router: it is seen at another address than the one that it listens at.
    let mut one = Node::at(&world, "one", "127.0.0.2:0", &[]);
    let mut two = Node::start(&world, "two", &[]);
    one.types(&format!("sendfile {} share", two.address));
    let offered = two.process.event("offered", |_| true);
    two.types(&format!("accept {}", offered["offer"]));
    two.process.event("transfer", |event| event["state"] == "done");
    one.process.event("transfer", |event| event["state"] == "done");
    assert_same(&world.path("share"), &world.path("two-files/share"));
}

#[test]
fn who_has_not_the_code_of_a_private_room_is_not_met_and_hears_nothing() {
    let world = World::new();
    sample(&world);
    let one = Node::start(&world, "one", &["--room", "new", "--auto-accept"]);
    let code = text(&one.process.event("room-code", |_| true), "code");
    // However it is typed.
    let mut two = Node::start(&world, "two", &["--room", &format!(" {}\n", code.to_uppercase())]);
    let other = world.run(&["room", "-q"]).exits(0).out();
    let mut lobby = Node::start(&world, "lobby", &[]);
    let mut fourth = Node::start(&world, "fourth", &["--room", other.trim()]);
    two.types(&format!("send {} inside", one.address));
    one.hears(&two, "inside");
    let why = |node: &Node| text(&node.process.event("trouble", |_| true), "text");
    // From either side, nobody comes in, and whoever dials is told.
    lobby.types(&format!("send {} let me in", one.address));
    assert!(why(&lobby).contains("in another room, or does not talk (this node is in the lobby)"));
    fourth.types(&format!("send {} let me in", one.address));
    assert!(why(&fourth).contains("in another room, or does not talk (this node is in a private room"));
    two.types(&format!("connect {}", lobby.address));
    assert!(why(&two).contains("in another room"));
    for node in [&lobby, &fourth] {
        node.process.event("undelivered", |event| event["what"] == "let me in");
    }
    two.types("broadcast to all of us");
    one.hears(&two, "to all of us");
    two.types(&format!("sendfile {} share", one.key));
    two.process.event("transfer", |event| event["state"] == "done");
    assert_same(&world.path("share"), &world.path("one-files/share"));
    let secret = code.strip_prefix("truecopy-room:").unwrap();
    for (mut node, met) in [(lobby, 0), (fourth, 0), (two, 1), (one, 1)] {
        node.types("quit");
        let ended = node.process.exits(0);
        let events = ended.events();
        let count = |name: &str| events.iter().filter(|event| event["ev"] == name).count();
        assert_eq!(count("met"), met, "{}", ended.out);
        assert!(met == 1 || count("said") == 0, "{}", ended.out);
        let told = ended.out.lines().filter(|line| line.contains(secret)).count();
        assert_eq!(told, count("room-code"), "in no event but the one that tells it");
    }
}

#[test]
fn a_mistyped_code_is_told_as_such_and_not_repeated() {
    let world = World::new();
    let code = world.run(&["room"]).exits(0).out().trim().to_owned();
    let last = if code.ends_with('a') { "b" } else { "a" };
    let mistyped = format!("{}{last}", &code[..code.len() - 1]);
    let cut = &code[..code.len() - 2];
    let secret = code.strip_prefix("truecopy-room:").unwrap();
    for (wrong, why) in
        [(&*mistyped, "damaged"), (cut, "damaged"), (secret, "not the code of a room"), ("", "not the code")]
    {
        for way in ["node", "daemon"] {
            let ran = world.run(&[way, "--room", wrong, "--log", "debug"]).exits(2);
            assert!(ran.err().contains(why) && !ran.err().contains(&secret[..20]), "{}", ran.err());
            let by_variable = world.command(&[way]).env("TRUECOPY_ROOM", wrong).output().unwrap();
            let by_variable = crate::common::Ran(by_variable).exits(2);
            assert!(!by_variable.err().contains(&secret[..20]), "{}", by_variable.err());
        }
    }
    // Nor does help show what the variable or the configuration holds.
    let help = world.command(&["node", "--help"]).env("TRUECOPY_ROOM", &code).output().unwrap();
    assert!(!crate::common::Ran(help).exits(0).out().contains(secret));
    world.config(&format!("[node]\nroom = \"{code}\"\n"));
    assert!(!world.run(&["node", "--help"]).exits(0).out().contains(secret));
    let by_file = Process::spawn(&mut world.command(&["node", "--json", "--listen", "127.0.0.1:0"]));
    assert_eq!(by_file.exits(0).event("room")["room"], "private");
}

#[test]
fn offers_of_trusted_nodes_and_with_the_flag_of_all_are_accepted_unasked() {
    let world = World::new();
    sample(&world);
    let mut all = Node::start(&world, "all", &["--auto-accept"]);
    let mut one = Node::start(&world, "one", &[]);
    one.types(&format!("sendfile {} share", all.address));
    all.process.event("transfer", |event| event["state"] == "done");
    assert_same(&world.path("share"), &world.path("all-files/share"));
    let mut two = Node::start(&world, "two", &[]);
    two.types(&format!("connect {}", one.address));
    two.process.event("met", |event| event["node"] == *one.key);
    two.types(&format!("trust {}", one.key));
    two.types(&format!("send {} ready", one.key));
    one.hears(&two, "ready");
    one.types(&format!("sendfile {} share", two.key));
    two.process.event("transfer", |event| event["state"] == "done");
    assert_same(&world.path("share"), &world.path("two-files/share"));
    all.types("quit");
}

#[test]
fn a_pipe_that_ends_lets_what_was_typed_be_finished() {
    let world = World::new();
    sample(&world);
    let there = Node::start(&world, "there", &["--auto-accept"]);
    let mut here = Node::start(&world, "here", &[]);
    here.types(&format!("send {} first", there.address));
    here.types("broadcast second");
    here.types(&format!("sendfile {} share", there.address));
    let key = here.key;
    drop(here.input);
    here.process.exits(0);
    there.process.event("said", |event| event["text"] == "first" && event["node"] == *key);
    there.process.event("said", |event| event["text"] == "second" && event["to_all"] == true);
    assert_same(&world.path("share"), &world.path("there-files/share"));
}

#[test]
fn a_call_from_a_pipe_that_ends_at_once_is_heard() {
    let world = World::new();
    let there = Node::start(&world, "there", &[]);
    let mut here = Node::start(&world, "here", &[]);
    here.types(&format!("connect {}", there.address));
    here.types("broadcast to all");
    drop(here.input);
    here.process.exits(0);
    there.process.event("said", |event| event["text"] == "to all" && event["to_all"] == true);
}

#[test]
fn what_still_waits_when_a_node_ends_is_told() {
    let world = World::new();
    let there = Node::start(&world, "there", &[]);
    let mut here = Node::start(&world, "here", &[]);
    here.types(&format!("send {} first", there.address));
    here.process.event("delivered", |_| true);
    there.process.signal(Signal::STOP);
    here.types(&format!("send {} second", there.address));
    // A port at which nobody answers.
    here.types("send 127.0.0.1:1 third");
    here.types("quit");
    let ended = here.process.exits(0);
    let lost: Vec<_> = ended.events().into_iter().filter(|event| event["ev"] == "undelivered").collect();
    let told = |at: usize| (text(&lost[at], "what"), text(&lost[at], "why"));
    assert_eq!((lost.len(), told(0).0.as_str(), told(1).0.as_str()), (2, "second", "third"), "{lost:?}");
    assert!(told(0).1.contains("it may have come or not") && told(1).1.contains("before that node was met"));
    // It had gone out: whoever was held up hears it, and that the other has left.
    there.process.signal(Signal::CONT);
    there.process.event("said", |event| event["text"] == "second");
    there.process.event("left", |_| true);
}

#[test]
fn on_a_terminal_what_still_waits_at_the_end_is_shown() {
    let world = World::new();
    let other = Node::start(&world, "other", &[]);
    let mut terminal = Terminal::start(&world.command(&["node", "--listen", "127.0.0.1:0"]));
    terminal.shows("listening on ");
    terminal.types(&format!("send {} hi\n", other.address));
    terminal.shows("has it");
    other.process.signal(Signal::STOP);
    terminal.types(&format!("send {} too late\n", other.address));
    // The next line is waited for.
    terminal.shows("\u{1b}[?2004h");
    terminal.types("quit\n");
    terminal.shows(": too late (the program ends before it was acknowledged");
    terminal.exits(0);
}

#[test]
fn a_node_goes_on_when_what_was_to_be_offered_is_gone() {
    let world = World::new();
    let mut here = Node::start(&world, "here", &[]);
    here.types("sendfile 127.0.0.1:1 nowhere");
    let trouble = here.process.event("trouble", |_| true);
    assert!(text(&trouble, "text").contains("is not there"), "{trouble}");
    // It is there when it is ordered, and no more when they meet.
    fs::write(world.path("brief"), b"x").unwrap();
    let port = crate::process::free_port();
    here.types(&format!("sendfile 127.0.0.1:{port} brief"));
    here.types("transfers");
    here.process.event("note", |event| text(event, "text").contains("nothing moves"));
    fs::remove_file(world.path("brief")).unwrap();
    let there = Node::at(&world, "there", &format!("127.0.0.1:{port}"), &[]);
    let lost = here.process.event("undelivered", |_| true);
    assert!(lost["what"] == "an offer" && text(&lost, "why").contains("is not there"), "{lost}");
    here.types(&format!("send {} still here", there.address));
    there.hears(&here, "still here");
}

#[test]
fn another_key_at_a_known_address_is_refused_and_nothing_is_said_to_it() {
    let world = World::new();
    let mut one = Node::start(&world, "one", &[]);
    let mut two = Node::start(&world, "two", &[]);
    one.types(&format!("send {} secret", two.address));
    two.hears(&one, "secret");
    let address = two.address.clone();
    two.types("quit");
    two.process.exits(0);
    one.process.event("left", |_| true);
    let impostor = Node::at(&world, "impostor", &address, &[]);
    one.types("quit");
    one.process.exits(0);
    let mut again = Node::start(&world, "one", &[]);
    again.types(&format!("connect {address}"));
    let trouble = again.process.event("trouble", |_| true);
    assert!(text(&trouble, "text").contains("another key"), "{trouble}");
    assert_ne!(again.key, impostor.key);
}

#[test]
fn a_transfer_goes_on_where_it_was_after_it_was_cancelled() {
    let world = World::new();
    crate::process::write_random(&world.path("film"), 40_000_000, 7);
    let mut one = Node::start(&world, "one", &[]);
    let mut two = Node::start(&world, "two", &["--limit-down", "8M"]);
    one.types(&format!("sendfile {} film", two.address));
    let offered = two.process.event("offered", |_| true);
    let number = &offered["offer"];
    two.types(&format!("accept {number}"));
    two.process.event("transfer", |event| event["state"] == "running");
    two.types(&format!("pause {number}"));
    two.process.event("transfer", |event| event["state"] == "paused");
    two.types(&format!("resume {number}"));
    two.types(&format!("cancel {number}"));
    two.process.event("transfer", |event| event["state"] == "cancelled");
    two.types("limit none");
    two.types("send nobody x");
    two.process.event("trouble", |_| true);
    // As soon as it has ended it can be had again.
    two.types(&format!("retry {number}"));
    two.process.event("transfer", |event| event["state"] == "done");
    assert_same(&world.path("film"), &world.path("two-files/film"));
}

#[test]
fn on_a_terminal_what_comes_does_not_garble_what_is_being_typed() {
    let world = World::new();
    let mut other = Node::start(&world, "other", &[]);
    let command = world.command(&["node", "--listen", "127.0.0.1:0"]);
    let mut terminal = Terminal::start(&command);
    terminal.shows("listening on ");
    terminal.types(&format!("send {} hi\n", other.address));
    let me = text(&other.process.event("said", |event| event["text"] == "hi"), "node");
    terminal.shows("has it");
    terminal.types("send half a li");
    terminal.shows("half a li");
    other.types(&format!("send {me} in between"));
    terminal.shows("in between");
    // What was typed stands there again.
    terminal.shows("> send half a li");
    terminal.types("\x15help\n");
    terminal.shows("sendfile PEER PATH");
    terminal.types("\x04");
    terminal.exits(0);
    fs::metadata(world.path("home/state/console.history")).unwrap();
}
