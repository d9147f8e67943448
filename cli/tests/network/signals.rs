//! Signals on either side: a clean end, a state to go on from, and the other side is told.

use std::fs::File;

use rustix::process::Signal;

use crate::common::{World, sample};
use crate::process::{Process, Sender, assert_same, get, names};
use crate::proxy::Proxy;

/// A transfer of the sample that is held in its midst.
fn held() -> (World, Sender, Proxy, Process) {
    let world = World::new();
    sample(&world);
    let sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(600_000);
    let receiver = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]);
    proxy.until_held();
    receiver.event("progress", |event| event["verified"].as_u64().unwrap() > 0);
    (world, sender, proxy, receiver)
}

#[test]
fn an_interrupted_receiver_says_goodbye_and_goes_on_later() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (world, sender, proxy, receiver) = held();
        receiver.signal(signal);
        let ended = receiver.exits(code);
        assert!(
            ended.err.contains("verified and kept") && ended.err.contains("run the same command"),
            "{}",
            ended.err
        );
        let error = ended.event("error");
        assert_eq!((&error["exit"], &error["retryable"]), (&code.into(), &true.into()));
        let told = sender.process.event("disconnected", |_| true);
        assert_eq!(told["why"], "goodbye", "{told}");
        let listed = world.run(&["ls", "there", "--json"]).exits(0).json();
        assert!(listed[0]["verified"].as_u64().unwrap() > 0 && listed[0]["in_use"] == false, "{listed:?}");
        assert!(!world.path("there/share").exists());
        proxy.open();
        let again = get(&world, &sender.ticket, &["-o", "there"]).exits(0);
        assert!(again.event("resumed")["verified"].as_u64().unwrap() > 0);
        assert_same(&world.path("share"), &world.path("there/share"));
        assert_eq!(world.run(&["ls", "there", "--json"]).exits(0).json()[0]["ev"], "warning");
    }
}

#[test]
fn an_interrupted_sender_tells_its_receivers() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (world, sender, proxy, receiver) = held();
        sender.process.signal(signal);
        proxy.open();
        let ended = sender.process.exits(code);
        assert!(ended.err.contains("same ticket"), "{}", ended.err);
        // All may have been on its way already.
        let got = receiver.ends();
        match got.status.code() {
            Some(6) => assert!(got.err.contains("the sender ended: the program ends there"), "{}", got.err),
            other => assert_eq!(other, Some(0), "{}", got.err),
        }
        let again = Sender::start(&world, &["share"]);
        get(&world, &again.ticket, &["-o", "there"]).exits(0);
        assert_same(&world.path("share"), &world.path("there/share"));
    }
}

#[test]
fn a_sender_is_interrupted_while_it_prepares() {
    let world = World::new();
    // Holes are hashed as slowly as everything else.
    File::create(world.path("huge")).unwrap().set_len(200 << 30).unwrap();
    let sender = Process::spawn(&mut world.command(&["send", "--json", "huge"]));
    sender.event("reading", |_| true);
    sender.signal(Signal::INT);
    assert!(sender.exits(130).err.contains("while preparing"));
}

#[test]
fn sigusr1_pauses_and_goes_on() {
    let (world, sender, proxy, receiver) = held();
    receiver.signal(Signal::USR1);
    receiver.event("waiting", |event| event["for"] == "paused");
    sender.process.event("waiting", |event| event["for"] == "peer-paused");
    proxy.open();
    receiver.signal(Signal::USR1);
    receiver.exits(0);
    sender.process.event("waiting", |event| event["for"] == "peer-resumed");
    assert_same(&world.path("share"), &world.path("there/share"));
}

#[test]
fn what_is_half_done_can_be_removed_but_not_under_a_running_transfer() {
    let (world, _sender, _proxy, mut receiver) = held();
    let busy = world.run(&["clean", "there", "--yes"]).exits(0);
    assert!(busy.err().contains("nothing to remove"), "{}", busy.err());
    receiver.kill();
    assert!(world.run(&["clean", "there"]).exits(3).err().contains("--yes"));
    let removed = world.run(&["clean", "there", "--yes", "--json"]).exits(0).json();
    assert_eq!((&removed[0]["ev"], &removed[0]["name"]), (&"removed".into(), &"share".into()));
    assert!(names(&world.path("there")).is_empty());
}
