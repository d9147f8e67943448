//! Links: printed, explained, made of one another; trackers in whatever names a share.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

mod common;

use common::{World, sample};
use truecopy_protocol::content::link::Link;
use truecopy_protocol::content::ticket::Ticket;
use truecopy_protocol::{AccessSecret, ContentId, NodeId, Trackers};

const TRACKER: &str = "https://tracker.example";

fn link(world: &World, args: &[&str]) -> Link {
    let printed = world.run(&[&["link", "-q"], args].concat()).exits(0).out();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    printed.parse().unwrap()
}

fn trackers(link: &Link) -> Vec<&str> {
    link.trackers.iter().map(|tracker| tracker.as_str()).collect()
}

#[test]
fn the_link_of_a_path_is_the_same_again_and_is_secret() {
    let world = World::new();
    sample(&world);
    let first = link(&world, &["share", "--tracker", "HTTPS://Tracker.example:443/"]);
    assert_eq!(trackers(&first), [TRACKER]);
    assert_ne!(first.secret, AccessSecret::PUBLIC);
    assert_eq!(link(&world, &["share", "--tracker", TRACKER]), first);
    std::fs::write(world.path("share/empty"), b"no more").unwrap();
    let changed = link(&world, &["share", "--tracker", TRACKER]);
    assert_ne!(changed.content, first.content);
    assert_eq!(changed.secret, first.secret);
}

#[test]
fn the_link_of_a_metadata_file_is_public_and_has_its_trackers() {
    let world = World::new();
    sample(&world);
    world.run(&["create", "share", "-o", "x.truecopy", "--tracker", TRACKER]).exits(0);
    let public = link(&world, &["x.truecopy", "--tracker", "http://192.0.2.1:7070", "--tracker", TRACKER]);
    assert_eq!(public.secret, AccessSecret::PUBLIC);
    assert_eq!(trackers(&public), [TRACKER, "http://192.0.2.1:7070"]);
    let shown = world.run(&["inspect", "x.truecopy"]).exits(0).out();
    assert!(
        shown.contains("access   public") && shown.contains("tracker  https://tracker.example"),
        "{shown}"
    );
    // What it says of the files is the same with and without trackers.
    world.run(&["create", "share", "-o", "y.truecopy"]).exits(0);
    assert_eq!(link(&world, &["y.truecopy"]).content, public.content);
    world.run(&["verify", "share", "--against", "x.truecopy"]).exits(0);
}

#[test]
fn a_ticket_becomes_a_link_and_a_link_gets_another_tracker() {
    let world = World::new();
    let ticket = Ticket {
        content: ContentId([1; 32]),
        secret: AccessSecret([2; 32]),
        node: NodeId([3; 32]),
        addresses: vec!["192.0.2.1:7000".parse().unwrap()],
        trackers: Trackers::from_iter([TRACKER.parse().unwrap()]),
    };
    let of_ticket = link(&world, &[&ticket.text()]);
    assert_eq!((of_ticket.content, of_ticket.secret), (ticket.content, ticket.secret));
    let more = link(&world, &[&of_ticket.text(), "--tracker", "http://localhost:7070"]);
    assert_eq!(trackers(&more), [TRACKER, "http://localhost:7070"]);
    // The secret is in the link alone.
    let shown = world.run(&["inspect", "--offline", &more.text()]).exits(0).out();
    let content = "01".repeat(32);
    let expected =
        format!("content  {content}\naccess   secret\ntracker  {TRACKER}\ntracker  http://localhost:7070\n");
    assert_eq!(shown, expected);
    let shown = world.run(&["inspect", "--offline", "--json", &ticket.text()]).exits(0).json();
    assert_eq!(shown[0]["trackers"], serde_json::json!([TRACKER]));
}

#[test]
fn a_link_without_trackers_is_warned_of_and_needs_a_peer() {
    let world = World::new();
    sample(&world);
    let printed = world.run(&["link", "share"]).exits(0);
    assert!(printed.err().contains("names no tracker"), "{}", printed.err());
    let text = printed.out();
    let failed = world.run(&["get", text.trim(), "-o", "there"]).exits(2);
    assert!(failed.err().contains("nothing says who has it"), "{}", failed.err());
}

#[test]
fn what_is_no_link_or_tracker_is_refused() {
    let world = World::new();
    sample(&world);
    let refused = world.run(&["truecopy-link:damaged"]).exits(2);
    assert!(refused.err().contains("no whole link"), "{}", refused.err());
    for url in ["udp://tracker.example", "https://tracker.example/announce", "tracker.example:80"] {
        let refused = world.run(&["link", "share", "--tracker", url]).exits(2);
        assert!(refused.err().contains("--tracker"), "{}", refused.err());
    }
    world.run(&["link", "nowhere"]).exits(8);
}

#[test]
fn the_configuration_names_trackers_for_all_commands() {
    let world = World::new();
    sample(&world);
    world.config("tracker = [\"https://tracker.example\", \"http://192.0.2.1:7070\"]\n");
    assert_eq!(trackers(&link(&world, &["share"])), [TRACKER, "http://192.0.2.1:7070"]);
}
