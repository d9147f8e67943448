//! Nothing breaks; it may be slow, and there may be many.

use std::time::Duration;

use truecopy_protocol::Config;
use truecopy_transport::channel::tls::TlsConfig;

use crate::secure::{ClearConfig, Secure};
use crate::world::{Weather, World, seeds};

fn folder_arrives<S: Secure + 'static>(seed: u64, weather: Weather) {
    let mut world = World::<S>::new(seed, weather);
    world.receive_at("receiver");
    world.finish("sender");
    assert_eq!(world.trace.said("receiver").ups, 1, "seed {seed}: one connection is enough");
    assert!(world.trace.said("receiver").progress.received <= world.total(), "seed {seed}");
}

#[test]
fn a_folder_arrives_whole_and_the_sender_sees_the_receipt() {
    for seed in seeds(5) {
        folder_arrives::<TlsConfig>(seed, Weather::fair());
        folder_arrives::<ClearConfig>(seed, Weather::fair());
    }
}

#[test]
fn a_link_that_is_slow_and_takes_few_bytes_a_call_still_carries_a_folder() {
    for seed in seeds(3) {
        let weather = Weather {
            latency_ms: (300, 600),
            call_max: 60,
            sizes: &[9000, 0, 1, 700],
            // The patience of the program.
            config: Config::default(),
        };
        folder_arrives::<TlsConfig>(seed, weather.clone());
        folder_arrives::<ClearConfig>(seed, weather);
    }
}

#[test]
fn all_receivers_of_one_sender_get_it_though_they_come_at_different_times() {
    for seed in seeds(3) {
        let weather = Weather { sizes: &[700_000, 0, 1, 16_384], ..Weather::fair() };
        let mut world = World::<TlsConfig>::new(seed, weather);
        for number in 0..7 {
            world.receive_at(&format!("receiver-{number}"));
            world.pass(Duration::from_millis(40 * (seed % 5 + number)));
        }
        world.finish("sender");
        assert_eq!(world.trace.said("sender").receipts.len(), 7);
    }
}
