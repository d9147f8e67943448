//! Names that come to mean another host.

use std::time::Duration;

use truecopy_transport::channel::tls::TlsConfig;

use crate::world::{Crash, Weather, World, seeds};

#[test]
fn a_sender_that_comes_back_under_another_address_is_found_by_its_name() {
    for seed in seeds(5) {
        let mut world = World::<TlsConfig>::new(seed, Weather::fair());
        world.receive_at("receiver");
        let enough = world.total() / 2;
        world.until("half of it is there", |world| world.verified("receiver") >= enough);
        world.crash("sender", Crash::Kill);
        world.pass(Duration::from_secs(seed % 5));
        world.send_from("elsewhere");
        let [old, new] = ["sender", "elsewhere"].map(|host| world.network().lookup(host));
        assert_ne!(old, new);
        world.finish("elsewhere");
        let received = world.trace.said("receiver").progress.received;
        assert!(received <= world.total() + (1 << 20), "seed {seed}: {received} bytes came");
    }
}

#[test]
fn a_name_that_means_nothing_yet_is_asked_for_again() {
    let mut world = World::<TlsConfig>::new(1, Weather::fair());
    world.crash("sender", Crash::Kill);
    world.receive_at("receiver");
    world.pass(Duration::from_secs(5));
    assert_eq!(world.trace.said("receiver").ups, 0);
    world.bounce("sender");
    world.finish("sender");
}
