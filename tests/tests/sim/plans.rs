//! Plans as files, and what they are refused for.

use truecopy_sim::campaign::{Cast, Mix};
use truecopy_sim::plan::{BadPlan, ChannelKind, Fault, Plan, Scenario, SeedText, Way};
use truecopy_sim::world::{Options, Verdict, run};

#[test]
fn a_plan_survives_being_written_and_read() {
    for seed in 0..60 {
        for cast in Cast::ALL {
            let plan = Plan::of_seed(SeedText::new(cast, ChannelKind::Clear, Mix::All, seed));
            let text = plan.to_toml();
            assert_eq!(Plan::from_toml(&text).unwrap_or_else(|error| panic!("{error}\n{text}")), plan);
        }
    }
}

#[test]
fn a_seed_survives_being_written_and_read() {
    for text in ["tc1:pair:clear:swarm:00000000000004d2", "tc1:varied:tls:only-flips:ffffffffffffffff"] {
        assert_eq!(text.parse::<SeedText>().unwrap().to_string(), text);
    }
    for bad in
        ["", "tc1:", "tc1:pair:clear:swarm", "tc1:pair:plain:swarm:0", "tc1:pair:clear:only-x:0", "tc2:a"]
    {
        assert!(matches!(bad.parse::<SeedText>(), Err(BadPlan::Text(_))), "{bad}");
    }
}

#[test]
fn a_plan_that_makes_no_sense_is_refused_with_the_reason() {
    let calm = Plan::calm(1, ChannelKind::Clear, Scenario::new(1, 1, &[100]));
    let refused = |plan: Plan| Plan::from_toml(&plan.to_toml()).unwrap_err().to_string();
    let mut alone = calm.clone();
    alone.scenario.receivers = 0;
    assert!(refused(alone).contains("receiver"));
    let stranger = calm.clone().with(Fault::NewerPeer { host: 9 });
    assert!(refused(stranger).contains("names a host that is not there"));
    let mut outside = calm.clone();
    outside.scenario.files[0].path = "../x".into();
    assert!(refused(outside).contains("../x"));
    let mut later = calm;
    later.version = 7;
    assert_eq!(Plan::from_toml(&later.to_toml()), Err(BadPlan::Version(7)));
    assert!(matches!(Plan::from_toml("version = 1"), Err(BadPlan::Text(_))));
}

#[test]
fn taking_a_fault_away_shifts_no_other() {
    // A flip far behind the end of the connection never happens: with it and without it, everything is the same.
    let calm = Plan::calm(77, ChannelKind::Clear, Scenario::new(1, 1, &[300_000]));
    let never = Fault::Flip { receiver: 1, sender: 0, nth: 9, way: Way::Down, at_byte: 5, mask: 1 };
    let digest = |plan: &Plan| run(plan, &Options::default()).unwrap().trace.digest();
    assert_eq!(digest(&calm), digest(&calm.clone().with(never)));
}

#[test]
fn a_flipped_byte_reaches_the_hashes_over_the_clear_channel_and_ends_loudly_over_tls() {
    for channel in [ChannelKind::Clear, ChannelKind::Tls] {
        let flip = Fault::Flip { receiver: 1, sender: 0, nth: 0, way: Way::Down, at_byte: 30_000, mask: 4 };
        let plan = Plan::calm(5, channel, Scenario::new(1, 1, &[64 << 10])).with(flip);
        let run = run(&plan, &Options::default()).unwrap();
        assert_eq!(run.verdict, Verdict::Pass);
        let asked = run.coverage.of_branch("message corrupt") > 0;
        assert_eq!(asked, channel == ChannelKind::Clear, "a doubt is asked about");
        let lost = run.coverage.of_branch("peer lost") > 0;
        assert_eq!(lost, channel == ChannelKind::Tls, "the connection is lost");
    }
}
