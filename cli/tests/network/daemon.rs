//! The daemon: who may ask, what can be ordered, what is told, and what outlives it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::api::{Daemon, command, exchange};
use crate::common::{Ran, World, sample};
use crate::process::{Process, assert_same, names, write_random};

#[test]
fn nobody_without_the_token_and_no_page_of_a_browser_is_answered() {
    let world = World::new();
    let daemon = Daemon::start(&world, "home", &["--api-host", "files.example"]);
    let (api, token) = (&daemon.api, &daemon.token);
    let ask = |path: &str, headers: &str| daemon.raw("GET", path, headers, b"");
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for path in ["/v1/status", "/v1/transfers", "/v1/events", "/metrics", "/healthz", "/nothing"] {
        let without = ask(path, &format!("Host: {api}\r\n"));
        assert_eq!((without.status, without.error().as_str()), (401, "wrong-token"), "{path}");
        assert!(without.head.contains("www-authenticate: Bearer"), "{}", without.head);
        let wrong = format!("Host: {api}\r\nAuthorization: Bearer {}\r\n", "0".repeat(64));
        assert_eq!(ask(path, &wrong).status, 401, "{path}");
        let host = ask(path, &format!("Host: evil.example\r\n{bearer}"));
        assert_eq!((host.status, host.error().as_str()), (403, "wrong-host"), "{path}");
        let origin = ask(path, &format!("Host: {api}\r\nOrigin: http://evil.example\r\n{bearer}"));
        assert_eq!((origin.status, origin.error().as_str()), (403, "wrong-origin"), "{path}");
    }
    assert_eq!(ask("/v1/status", &bearer).status, 403, "without a host");
    let port = api.rsplit_once(':').unwrap().1;
    for host in [api.clone(), format!("localhost:{port}"), "files.example".into()] {
        let same = format!("Host: {host}\r\nOrigin: http://{host}\r\n{bearer}");
        assert_eq!(ask("/v1/status", &same).status, 200, "{host}");
    }
    for file in ["api.token", "api.address", "transfers"] {
        let mode = fs::metadata(world.path("home/state").join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_home_has_one_daemon_and_an_orderly_end_takes_its_address_away() {
    let world = World::new();
    let daemon = Daemon::start(&world, "home", &[]);
    let second = Ran(command(&world, "home", &["daemon"]).output().unwrap()).exits(9);
    assert!(second.err().contains("runs already"), "{}", second.err());
    let mut events = daemon.events(None);
    daemon.process.signal(Signal::TERM);
    daemon.process.exits(143);
    assert!(events.next().is_none(), "streams end with it");
    assert!(!world.path("home/state/api.address").exists() && !world.path("home/state/api.token").exists());
    let outside = Ran(command(&world, "home", &["daemon", "--api", "0.0.0.0:0"]).output().unwrap());
    outside.exits(2);
}

#[test]
fn a_daemon_in_a_private_room_says_so_and_makes_none() {
    let world = World::new();
    let code = world.run(&["room"]).exits(0).out().trim().to_owned();
    let one = Daemon::start(&world, "one", &["--room", &code]);
    let mut command = command(&world, "two", &["daemon", "--json", "--listen", "127.0.0.1:0"]);
    let two = Process::spawn(command.env("TRUECOPY_ROOM", &code));
    let there = two.event("listening", |_| true)["address"].clone();
    one.order(&json!({ "order": "send", "to": there, "text": "inside" }));
    two.event("said", |event| event["text"] == "inside");
    let status = one.get("/v1/status");
    assert_eq!(status.json()["room"], "private");
    let secret = code.strip_prefix("truecopy-room:").unwrap();
    assert!(!status.body.contains(secret), "what opens it is not told");
    let told = Ran(crate::api::command(&world, "one", &["status"]).output().unwrap()).exits(0).out();
    assert!(told.contains("in a private room") && !told.contains(secret), "{told}");
    let made = Ran(crate::api::command(&world, "three", &["daemon", "--room", "new"]).output().unwrap());
    assert!(made.exits(2).err().contains("truecopy room"), "another one at each start is of no use");
    let lobby = Daemon::start(&world, "three", &["--room", "lobby"]);
    assert_eq!(lobby.get("/v1/status").json()["room"], "lobby");
}

#[test]
fn every_order_of_the_console_can_be_given() {
    let world = World::new();
    sample(&world);
    let share = world.path("share");
    let (one, two) = (Daemon::start(&world, "one", &[]), Daemon::start(&world, "two", &[]));
    one.order(&json!({ "order": "connect", "to": two.address }));
    one.process.event("met", |event| event["node"] == *two.key);
    one.order(&json!({ "order": "name", "peer": two.address, "name": "zwei" }));
    one.order(&json!({ "order": "send", "to": "zwei", "text": "héllo" }));
    two.process.event("said", |event| event["text"] == "héllo" && event["node"] == *one.key);
    one.process.event("delivered", |event| event["name"] == "zwei");
    one.order(&json!({ "order": "broadcast", "text": "all" }));
    two.process.event("said", |event| event["text"] == "all" && event["to_all"] == true);
    let here = one.get("/v1/peers").json();
    assert_eq!(
        (&here["peers"][0]["name"], &here["peers"][0]["address"]),
        (&json!("zwei"), &json!(two.address))
    );
    // Offers: one is accepted in part, one declined, one taken unasked.
    let offer = || one.order(&json!({ "order": "sendfile", "to": "zwei", "paths": [share] }));
    let first = offer();
    let offered = two.process.event("offered", |_| true)["offer"].clone();
    assert_eq!(two.get("/v1/transfers").json()["offers"][0]["offer"], offered);
    let part = world.path("part");
    two.order(&json!({ "order": "accept", "offer": offered, "folder": part, "only": ["large"] }));
    one.stands(first, "done");
    two.stands(offered.as_u64().unwrap(), "done");
    assert_eq!(names(&part.join("share")), ["large"]);
    let second = offer();
    let other = two.process.event("offered", |event| event["offer"] != offered)["offer"].clone();
    two.order(&json!({ "order": "decline", "offer": other }));
    one.stands(second, "declined");
    two.order(&json!({ "order": "trust", "peer": one.key }));
    one.stands(offer(), "done");
    assert_same(&share, &world.path("two-files/share"));
    two.order(&json!({ "order": "distrust", "peer": one.key }));
    two.order(&json!({ "order": "quit" }));
    two.process.exits(0).events();
}

#[test]
fn a_share_is_fetched_steered_and_forgotten() {
    let world = World::new();
    write_random(&world.path("film"), 40_000_000, 7);
    let (one, two) = (Daemon::start(&world, "one", &[]), Daemon::start(&world, "two", &[]));
    let served = one.order(&json!({ "order": "share", "paths": [world.path("film")] }));
    one.process.event("ticket", |event| event["transfer"] == served);
    let ticket = one.transfer(served)["ticket"].clone();
    two.order(&json!({ "order": "limit", "up": null, "down": 8_000_000 }));
    let mut events = two.events(None);
    let fetched = two.order(&json!({ "order": "get", "source": ticket, "folder": world.path("there") }));
    events.moves(fetched);
    // Closely: from whom, by what path, how fast, and which chunks.
    let details = two.details(fetched, |details| details["peers"][0]["down"].as_u64() > Some(0));
    let peer = &details["peers"][0];
    assert_eq!((&peer["node"], &peer["address"]), (&json!(one.key), &json!(one.address)));
    assert_eq!(
        (&peer["path"], &peer["way"], &peer["state"]),
        (&json!("tcp"), &json!("out"), &json!("gives"))
    );
    let map = details["map"].as_array().unwrap();
    let sum = |at: usize| map.iter().map(|cell| cell[at].as_u64().unwrap()).sum::<u64>();
    assert!(map.len() == 10 && sum(0) < sum(1) && sum(1) == peer["of"].as_u64().unwrap(), "{details}");
    // By the commands, which find the daemon by its home.
    let run = |args: &[&str]| Ran(command(&world, "two", args).output().unwrap());
    let number = fetched.to_string();
    assert!(run(&["pause", &number]).exits(0).out().contains("paused"));
    assert_eq!(two.transfer(fetched)["state"], "paused");
    assert!(run(&["resume", &number]).exits(0).out().contains('%'));
    assert!(run(&["cancel", &number]).exits(0).out().contains("cancelled"));
    two.order(&json!({ "order": "limit", "up": null, "down": null }));
    run(&["retry", &number]).exits(0);
    two.stands(fetched, "done");
    assert_same(&world.path("film"), &world.path("there/film"));
    let status = run(&["status"]).exits(0).out();
    let told = format!("[{fetched}] ← film: done");
    assert!(status.contains(&told) && status.contains(&two.key[..16]), "{status}");
    let lines = run(&["status", "--json"]).exits(0).out();
    let events: Vec<_> = lines.lines().map(crate::schema::check_line).collect();
    assert!(events.iter().any(|event| event["ev"] == "transfer" && event["state"] == "done"), "{lines}");
    run(&["rm", &number]).exits(0);
    assert!(two.transfer(fetched).is_null() && world.path("there/film").exists());
    let unknown = run(&["pause", &number]).exits(2);
    assert!(unknown.err().contains("no transfer"), "{}", unknown.err());
}

#[test]
fn those_who_fetch_a_share_give_each_other_what_they_have() {
    let world = World::new();
    write_random(&world.path("film"), 24_000_000, 7);
    let nodes = ["one", "two", "three"].map(|home| Daemon::start(&world, home, &[]));
    let [one, two, three] = &nodes;
    one.order(&json!({ "order": "limit", "up": 4_000_000, "down": null }));
    let served = one.order(&json!({ "order": "share", "paths": [world.path("film")] }));
    one.process.event("ticket", |event| event["transfer"] == served);
    let ticket = one.transfer(served)["ticket"].clone();
    let fetched = [two, three].map(|node| {
        node.order(&json!({ "order": "get", "source": ticket, "folder": world.path(&node.key) }))
    });
    let gave = |peer: &Value, node: &Daemon| peer["node"] == *node.key && peer["received"].as_u64() > Some(0);
    two.details(fetched[0], |details| {
        let peers = details["peers"].as_array().unwrap();
        [one, three].iter().all(|node| peers.iter().any(|peer| gave(peer, node)))
    });
    two.stands(fetched[0], "done");
    three.stands(fetched[1], "done");
    assert_same(&world.path("film"), &world.path(&two.key).join("film"));
    assert_same(&world.path("film"), &world.path(&three.key).join("film"));
}

#[test]
fn ls_lists_the_transfers_of_the_daemon_before_what_is_half_done_here() {
    let world = World::new();
    sample(&world);
    fs::create_dir_all(world.path("in/.truecopy-0123456789abcdef/tree")).unwrap();
    let ls = |args: &[&str], folder: &str| {
        let all = [&["ls", "--json"], args].concat();
        let ran =
            Ran(command(&world, "one", &all).current_dir(world.path(folder)).output().unwrap()).exits(0);
        let events = ran.out();
        let kinds = events.lines().map(crate::schema::check_line);
        kinds.map(|event| event["ev"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ls(&[], "in"), ["half-done"], "without a daemon as before");
    let mut one = Daemon::start(&world, "one", &[]);
    assert_eq!(ls(&[], "in"), ["note", "half-done"]);
    let served = one.order(&json!({ "order": "share", "paths": [world.path("share")] }));
    one.stands(served, "running");
    assert_eq!(ls(&[], "in"), ["transfer", "half-done"]);
    assert_eq!(ls(&["."], "in"), ["half-done"], "a folder that is named is all that is asked for");
    assert_eq!(ls(&[], "share"), ["transfer", "warning"]);
    let shown = Ran(command(&world, "one", &["ls"]).output().unwrap()).exits(0).out();
    let status = Ran(command(&world, "one", &["status"]).output().unwrap()).exits(0).out();
    let line = shown.lines().next().unwrap();
    assert!(line.starts_with(&format!("[{served}] → share: ")) && status.contains(line), "{shown}{status}");
    one.process.kill();
    assert_eq!(ls(&[], "in"), ["half-done"], "what a killed one left is no daemon");
}

#[test]
fn without_a_daemon_the_commands_say_so() {
    let world = World::new();
    for args in [&["status"][..], &["pause", "1"], &["rm", "1"]] {
        let ran = world.run(args).exits(20);
        assert!(ran.err().contains("truecopy daemon"), "{}", ran.err());
    }
    let mut daemon = Daemon::start(&world, "home", &[]);
    world.run(&["status"]).exits(0);
    daemon.process.kill();
    assert!(world.path("home/state/api.address").exists());
    world.run(&["status"]).exits(20);
}

#[test]
fn events_go_on_after_the_last_one_that_was_read() {
    let world = World::new();
    let (one, two) = (Daemon::start(&world, "one", &[]), Daemon::start(&world, "two", &[]));
    let mut events = two.events(None);
    let say = |text: &str| one.order(&json!({ "order": "send", "to": two.address, "text": text }));
    say("first");
    let first = events.until(|told| told.data["text"] == "first").id.unwrap();
    drop(events);
    for text in ["second", "third"] {
        say(text);
        two.process.event("said", |event| event["text"] == text);
    }
    let mut events = two.events(Some(&first));
    for text in ["second", "third"] {
        let told = events.next().unwrap();
        assert_eq!(
            (told.data["text"].as_str(), told.id.is_some()),
            (Some(text), true),
            "each once, in order"
        );
    }
    // An id of another run: what this one has told, and that something may be missing.
    let mut events = two.events(Some("00000000-5"));
    let gap = events.next().unwrap();
    assert_eq!((gap.kind.as_str(), &gap.data["restarted"]), ("gap", &json!(true)));
    assert_eq!(events.next().unwrap().data["ev"], "answering");
    events.until(|told| told.data["text"] == "third");
}

#[test]
fn a_fetch_goes_on_after_kill_9_and_its_ticket_opens_what_is_served_again() {
    let world = World::new();
    write_random(&world.path("film"), 30_000_000, 9);
    let mut one = Daemon::start(&world, "one", &["--limit-up", "8M"]);
    let served = one.order(&json!({ "order": "share", "paths": [world.path("film")] }));
    one.stands(served, "running");
    let ticket = one.transfer(served)["ticket"].clone();
    let mut two = Daemon::start(&world, "two", &[]);
    let mut events = two.events(None);
    let fetched = two.order(&json!({ "order": "get", "source": ticket }));
    events.moves(fetched);
    // Both at once, in the midst of it: nobody says goodbye.
    two.process.kill();
    one.process.kill();
    let again = Daemon::start(&world, "two", &[]);
    let one = Daemon::start(&world, "one", &[]);
    one.stands(served, "running");
    assert_eq!(one.transfer(served)["ticket"], ticket, "the same key, port and secret");
    again.stands(fetched, "done");
    assert_same(&world.path("film"), &world.path("two-files/film"));
    // What is over is still listed, and what is forgotten is not, after one more start.
    one.steer("rm", served);
    drop((again, one));
    let (one, two) = (Daemon::start(&world, "one", &[]), Daemon::start(&world, "two", &[]));
    assert_eq!(two.transfer(fetched)["state"], "done");
    assert!(one.transfer(served).is_null());
}

/// A daemon whose peer is held up, with a message for it that is not acknowledged.
fn unacknowledged(world: &World) -> (Daemon, Daemon) {
    let (one, two) = (Daemon::start(world, "one", &[]), Daemon::start(world, "two", &[]));
    let say = |text: &str| one.order(&json!({ "order": "send", "to": two.address, "text": text }));
    say("first");
    one.process.event("delivered", |_| true);
    two.process.signal(Signal::STOP);
    say("second");
    (one, two)
}

/// What a run tells that it does not know to have come.
fn undelivered(out: &str) -> Vec<(String, String)> {
    let events = out.lines().map(crate::schema::check_line).filter(|event| event["ev"] == "undelivered");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    events.map(|event| (text(&event["what"]), text(&event["why"]))).collect()
}

#[test]
fn of_what_was_not_acknowledged_before_kill_9_the_next_run_tells_once() {
    let world = World::new();
    let (mut one, two) = unacknowledged(&world);
    // Nobody answers there: it waits to be said at all.
    one.order(&json!({ "order": "send", "to": "127.0.0.1:1", "text": "third" }));
    one.order(&json!({ "order": "sendfile", "to": "127.0.0.1:1", "paths": [world.path("one")] }));
    let mut events = one.events(None);
    one.order(&json!({ "order": "connect", "to": "127.0.0.1:2" }));
    let last = events.until(|told| told.id.is_some()).id;
    one.process.kill();
    let again = Daemon::start(&world, "one", &[]);
    let mut events = again.events(last.as_deref());
    for what in ["second", "third", "an offer"] {
        let told = events.until(|told| told.data["ev"] == "undelivered");
        assert_eq!(told.data["what"], what, "what was acknowledged is not told");
        assert!(told.data["why"].as_str().unwrap().contains("it may have come or not"), "{told:?}");
        again.process.event("undelivered", |event| event["what"] == what);
    }
    let mode = fs::metadata(world.path("one/state/unheard")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it holds what was said");
    // It is not said again: the other hears it once, from the run that said it.
    two.process.signal(Signal::CONT);
    again.order(&json!({ "order": "send", "to": two.address, "text": "fourth" }));
    two.process.event("said", |event| event["text"] == "fourth");
    again.process.event("delivered", |_| true);
    again.process.signal(Signal::TERM);
    assert_eq!(undelivered(&again.process.exits(143).out).len(), 3);
    let third = Daemon::start(&world, "one", &[]);
    third.process.signal(Signal::TERM);
    assert_eq!(undelivered(&third.process.exits(143).out), [], "it was told once");
    two.process.signal(Signal::TERM);
    let heard = two.process.exits(143).out;
    let times = |what: &str| heard.matches(&format!("\"text\":\"{what}\"")).count();
    assert!(times("second") <= 1, "it was on its way when its run was killed, or was not: {heard}");
    assert_eq!(times("fourth"), 1, "{heard}");
}

#[test]
fn of_what_is_not_acknowledged_when_the_daemon_ends_it_tells_before() {
    let world = World::new();
    let (one, two) = unacknowledged(&world);
    let mut events = one.events(None);
    one.process.signal(Signal::TERM);
    let told = events.until(|told| told.data["ev"] == "undelivered");
    assert_eq!(told.data["what"], "second", "whoever reads events hears of it");
    let lost = undelivered(&one.process.exits(143).out);
    assert_eq!(lost.len(), 1);
    assert!(lost[0].1.contains("the program ends"), "{lost:?}");
    let again = Daemon::start(&world, "one", &[]);
    again.process.signal(Signal::TERM);
    assert_eq!(undelivered(&again.process.exits(143).out), [], "it was told");
    two.process.signal(Signal::CONT);
    two.process.event("said", |event| event["text"] == "second");
}

#[test]
fn a_daemon_that_ends_takes_no_orders_any_more() {
    let world = World::new();
    let (one, _two) = unacknowledged(&world);
    one.process.signal(Signal::TERM);
    // Until it has seen the signal it answers; then, for as long as it waits for its peer, it says that it ends.
    let refused = std::iter::repeat_with(|| one.get("/v1/status")).find(|reply| reply.status != 200).unwrap();
    assert_eq!((refused.status, refused.error().as_str()), (503, "ending"));
    let ran = Ran(command(&world, "one", &["status"]).output().unwrap()).exits(20);
    assert!(ran.err().contains("the daemon ends"), "{}", ran.err());
    one.process.exits(143);
}

#[test]
fn who_comes_while_a_daemon_looks_at_its_files_again_waits() {
    let world = World::new();
    // Holes are hashed as slowly as everything else: what it takes is longer than to come.
    let film = fs::File::create(world.path("film")).unwrap();
    film.set_len(2 << 30).unwrap();
    let mut one = Daemon::start(&world, "one", &[]);
    let served = one.order(&json!({ "order": "share", "paths": [world.path("film")] }));
    one.stands(served, "running");
    let ticket = one.transfer(served)["ticket"].clone();
    one.process.kill();
    // What is changed of it is not carried, but nobody knows: it is read again.
    let permissions = film.metadata().unwrap().permissions();
    film.set_permissions(permissions).unwrap();
    let two = Daemon::start(&world, "two", &["--limit-down", "1M"]);
    let one = Daemon::start(&world, "one", &["--limit-up", "1M"]);
    let fetched = two.order(&json!({ "order": "get", "source": ticket }));
    two.process.until("fate", |out, _| {
        let events = out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut fates = events.filter(|event| event["transfer"] == fetched && event["state"] != "running");
        assert_eq!(fates.next(), None, "it is not given up");
        (two.transfer(fetched)["title"] == "film").then_some(())
    });
    drop(one);
}

#[test]
fn what_was_paused_or_offered_before_kill_9_still_is() {
    let world = World::new();
    sample(&world);
    write_random(&world.path("film"), 20_000_000, 11);
    let mut one = Daemon::start(&world, "one", &["--limit-up", "4M"]);
    let mut two = Daemon::start(&world, "two", &[]);
    let served = one.order(&json!({ "order": "share", "paths": [world.path("film")] }));
    one.stands(served, "running");
    let fetched = two.order(&json!({ "order": "get", "source": one.transfer(served)["ticket"] }));
    two.steer("pause", fetched);
    let share = world.path("share");
    let offered = one.order(&json!({ "order": "sendfile", "to": two.address, "paths": [share] }));
    // It is offered as soon as they have met.
    assert_eq!(offered, 0);
    let offer = two.process.event("offered", |_| true)["offer"].clone();
    one.process.kill();
    two.process.kill();
    let one = Daemon::start(&world, "one", &[]);
    let two = Daemon::start(&world, "two", &[]);
    assert_eq!(two.transfer(fetched)["state"], "paused");
    two.process.event("met", |event| event["node"] == *one.key);
    let offers = two.get("/v1/transfers").json()["offers"].clone();
    assert_eq!((&offers[0]["offer"], offers.as_array().unwrap().len()), (&offer, 1), "once, as before");
    two.order(&json!({ "order": "accept", "offer": offer }));
    two.stands(offer.as_u64().unwrap(), "done");
    assert_same(&share, &world.path("two-files/share"));
    two.steer("resume", fetched);
    two.stands(fetched, "done");
}

#[cfg(target_os = "linux")]
#[test]
fn files_that_are_unchanged_are_not_read_again_at_the_next_start() {
    let world = World::new();
    // A large file that nobody has changed lately: what was, is read in any case.
    let old = std::path::Path::new(env!("CARGO"));
    let size = fs::metadata(old).unwrap().len();
    let mut one = Daemon::start(&world, "one", &[]);
    let served = one.order(&json!({ "order": "share", "paths": [old] }));
    one.stands(served, "running");
    assert!(one.process.bytes_read() >= size, "the first time it is read");
    one.process.kill();
    let one = Daemon::start(&world, "one", &[]);
    one.stands(served, "running");
    assert!(one.process.bytes_read() < size / 2, "{} of {size}", one.process.bytes_read());
}

#[test]
fn what_is_served_cannot_be_retried_and_the_daemon_goes_on() {
    let world = World::new();
    sample(&world);
    let one = Daemon::start(&world, "one", &[]);
    let served = one.order(&json!({ "order": "share", "paths": [world.path("share")] }));
    one.stands(served, "running");
    one.steer("cancel", served);
    // While it is being ended that is taken, and said later; afterwards it is refused at once.
    let retried = one.post(&json!({ "order": "retry", "transfer": served }));
    assert!(matches!(retried.status, 200 | 422), "{}", retried.body);
    if retried.status == 200 {
        one.process.event("trouble", |event| event["text"].as_str().unwrap().contains("is over"));
    }
    assert_eq!(one.transfer(served)["state"], "cancelled");
}

#[test]
fn what_changed_while_the_daemon_was_away_is_not_served_under_the_old_name() {
    let world = World::new();
    sample(&world);
    let mut one = Daemon::start(&world, "one", &[]);
    let served = one.order(&json!({ "order": "share", "paths": [world.path("share")] }));
    one.stands(served, "running");
    one.process.kill();
    fs::write(world.path("share/empty"), b"no more").unwrap();
    let one = Daemon::start(&world, "one", &[]);
    one.stands(served, "failed");
    assert!(one.transfer(served)["why"].as_str().unwrap().contains("not what they were"));
}

#[test]
fn a_unix_socket_is_asked_as_an_address_is() {
    let world = World::new();
    let path = world.path("api.sock");
    let socket = path.to_str().unwrap();
    let start = || {
        let args = ["daemon", "--json", "--listen", "127.0.0.1:0", "--socket", socket];
        let process = Process::spawn(&mut world.command(&args));
        process.event("answering", |event| event["address"] == format!("unix:{socket}"));
        process
    };
    let mut daemon = start();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    world.run(&["status"]).exits(0);
    let mut stream = UnixStream::connect(&path).unwrap();
    assert_eq!(exchange(&mut stream, "GET", "/v1/status", "Host: localhost\r\n", b"").status, 401);
    // What a killed one left is in nobody's way.
    daemon.kill();
    world.run(&["status"]).exits(20);
    let daemon = start();
    world.run(&["status"]).exits(0);
    daemon.signal(Signal::TERM);
    daemon.exits(143);
    assert!(!path.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn nobody_else_can_reach_the_socket_at_any_moment() {
    use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
    let world = World::new();
    let seen = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    add_watch(&seen, world.path("."), WatchFlags::ALL_EVENTS).unwrap();
    let start = || {
        let args = ["daemon", "--json", "--listen", "127.0.0.1:0", "--socket", "api.sock"];
        let process = Process::spawn(&mut world.command(&args));
        process.event("answering", |_| true);
        process
    };
    let mut daemon = start();
    let metadata = fs::metadata(world.path("api.sock")).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    world.run(&["status"]).exits(0);
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = Reader::new(&seen, &mut buffer);
    let (mut came, mut folders) = (0, Vec::new());
    while let Ok(event) = reader.next() {
        let name = event.file_name().map(|name| name.to_str().unwrap().to_owned()).unwrap_or_default();
        if name == "api.sock" {
            came += usize::from(event.events().intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO));
            assert!(!event.events().contains(ReadFlags::ATTRIB), "its mode is right from the beginning");
        } else if event.events().contains(ReadFlags::CREATE | ReadFlags::ISDIR) {
            folders.push(name);
        }
    }
    assert_eq!(came, 1);
    assert!(folders.iter().all(|name| name == "home" || !world.path(name).exists()), "{folders:?}");
    // A name that is taken is left alone: by a daemon that answers, and by a file.
    let args = ["daemon", "--listen", "127.0.0.1:0", "--socket", "api.sock"];
    Ran(command(&world, "other", &args).output().unwrap()).exits(8);
    world.run(&["status"]).exits(0);
    daemon.kill();
    let daemon = start();
    daemon.signal(Signal::TERM);
    daemon.exits(143);
    fs::write(world.path("api.sock"), b"mine").unwrap();
    Ran(command(&world, "other", &args).output().unwrap()).exits(8);
    assert_eq!(fs::read(world.path("api.sock")).unwrap(), b"mine");
}

#[test]
fn the_log_can_be_json_and_the_unit_is_printed() {
    let world = World::new();
    let unit = world.run(&["daemon", "--unit"]).exits(0).out();
    assert!(unit.contains("ExecStart=") && unit.contains("SuccessExitStatus=143"), "{unit}");
    let daemon = Daemon::start(&world, "home", &["--log", "debug", "--log-format", "json"]);
    daemon.get("/healthz");
    daemon.process.signal(Signal::TERM);
    let ended = daemon.process.exits(143);
    let log: Vec<Value> = ended
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(log.iter().any(|line| line["what"] == "api" && line["level"] == "debug"), "{}", ended.err);
}
