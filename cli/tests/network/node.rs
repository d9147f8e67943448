//! Nodes that talk: through pipes and on a terminal.

use std::fs;
use std::io::Write;
use std::process::ChildStdin;

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
