//! Seeds by the hundred: enough to notice a blunder; `.ci/run` has them by the thousand.

use truecopy_sim::campaign::{Cast, Mix, Sweep, check_determinism, digest_of_seeds, sweep};
use truecopy_sim::plan::ChannelKind;

fn passes(cast: Cast, channel: ChannelKind, mix: Mix, count: u64) {
    let factor: u64 =
        std::env::var("TRUECOPY_SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let what =
        Sweep { cast, channel, mix, first: 1, count: count * factor, jobs: 1, time: None, failures_max: 5 };
    let tally = sweep(&what);
    let failed: Vec<String> =
        tally.failed.iter().map(|failed| format!("{} {}", failed.seed, failed.violation)).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), tally.runs, failed.join("\n"));
    assert_eq!(tally.runs, count * factor);
}

#[test]
fn pairs_complete_over_the_clear_channel_whatever_happens() {
    passes(Cast::Pair, ChannelKind::Clear, Mix::Swarm, 120);
}

#[test]
fn pairs_complete_over_tls_whatever_happens() {
    passes(Cast::Pair, ChannelKind::Tls, Mix::Swarm, 60);
}

#[test]
fn five_hosts_complete_with_a_liar_among_them() {
    passes(Cast::Five, ChannelKind::Clear, Mix::Swarm, 25);
}

#[test]
fn shares_of_all_sizes_complete() {
    passes(Cast::Varied, ChannelKind::Clear, Mix::Swarm, 25);
}

#[test]
fn whoever_talks_is_heard_once_and_in_order_or_told_over_the_clear_channel() {
    passes(Cast::Talk, ChannelKind::Clear, Mix::Swarm, 100);
}

#[test]
fn whoever_talks_is_heard_once_and_in_order_or_told_over_tls() {
    passes(Cast::Talk, ChannelKind::Tls, Mix::Swarm, 50);
}

#[test]
fn equal_plans_give_equal_runs() {
    check_determinism(0, 16).unwrap();
    assert_eq!(digest_of_seeds(100, 6), digest_of_seeds(100, 6));
}
