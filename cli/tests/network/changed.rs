//! A source that changes: never a mixture under a final name.

use std::fs::{self, File};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::common::{World, sample, spoil};
use crate::process::{Process, Sender, get, names};
use crate::proxy::Proxy;

#[track_caller]
fn assert_both_end_with_13(world: &World, sender: Sender, receiver: Process) {
    let got = receiver.exits(13);
    assert!(got.err.contains("was changed on the sender"), "{}", got.err);
    let sent = sender.process.exits(13);
    assert!(sent.err.contains("share/large was "), "{}", sent.err);
    assert!(!world.path("there/share").exists());
}

#[test]
fn a_file_that_changed_after_the_ticket_ends_both_with_13() {
    let changes: [fn(&World); 3] = [
        |world| spoil(&world.path("share/large"), 700_000),
        |world| fs::remove_file(world.path("share/large")).unwrap(),
        |world| {
            fs::copy(world.path("share/large"), world.path("copy")).unwrap();
            fs::rename(world.path("copy"), world.path("share/large")).unwrap();
        },
    ];
    for change in changes {
        let world = World::new();
        sample(&world);
        let sender = Sender::start(&world, &["share"]);
        change(&world);
        let receiver = get(&world, &sender.ticket, &["-o", "there"]);
        assert_both_end_with_13(&world, sender, receiver);
    }
}

#[test]
fn a_file_that_changes_while_it_is_sent_ends_both_with_13() {
    let world = World::new();
    sample(&world);
    crate::process::write_random(&world.path("share/large"), 60 << 20, 5);
    let sender = Sender::start(&world, &["share"]);
    let proxy = Proxy::start(sender.address);
    proxy.hold_after(1 << 20);
    let receiver = get(&world, &sender.ticket_at(proxy.address), &["-o", "there"]);
    proxy.until_held();
    spoil(&world.path("share/large"), (60 << 20) - 1);
    proxy.open();
    assert_both_end_with_13(&world, sender, receiver);
    // Sent anew, it goes on from what did not change.
    let again = Sender::start(&world, &["share"]);
    get(&world, &again.ticket, &["-o", "there"]).exits(0);
    assert!(
        fs::read(world.path("there/share/large")).unwrap() == fs::read(world.path("share/large")).unwrap()
    );
}

#[test]
fn a_file_that_changes_all_the_while_cannot_be_prepared() {
    let world = World::new();
    fs::create_dir(world.path("share")).unwrap();
    File::create(world.path("share/log")).unwrap().set_len(64 << 20).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = File::options().append(true).open(world.path("share/log")).unwrap();
            while !done.load(Relaxed) {
                log.write_all(b"line\n").unwrap();
                std::thread::yield_now();
            }
        });
        let sender = Process::spawn(&mut world.command(&["send", "--listen", "127.0.0.1:0", "share"]));
        let sent = sender.ends();
        done.store(true, Relaxed);
        assert_eq!(sent.status.code(), Some(13), "{}", sent.err);
        assert!(sent.err.contains("share/log was changed"), "{}", sent.err);
        assert_eq!(sent.out, "");
    });
    assert_eq!(names(&world.path("share")), ["log"]);
}
