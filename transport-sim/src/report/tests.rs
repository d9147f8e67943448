use super::*;
use crate::campaign::{Cast, Mix, Sweep, sweep};
use crate::oracle::{Oracle, Place, Violation};
use crate::plan::{ChannelKind, End, Fault, Plan, Scenario, SeedText};
use crate::plan::{Script, Staying, Swarming};
use crate::world::{Keep, Options, Verdict, Watch, run};

fn crashing() -> Plan {
    let plan = Plan::calm(7, ChannelKind::Clear, Scenario::new(1, 2, &[300_000]));
    plan.with(Fault::Crash { host: 1, at_ms: 2, down_ms: 30, end: End::Kill })
}

#[test]
fn a_report_names_the_claim_the_place_the_faults_and_the_way_to_see_it_again() {
    let plan = crashing();
    let mut ran = run(&plan, &Options::default()).unwrap();
    assert_eq!(failure(&plan, &ran, "x"), "");
    ran.verdict = Verdict::Fail(Box::new(Violation {
        oracle: Oracle::Claim,
        at: 3_000_000,
        host: Some(1),
        class: "planted",
        claim: "chunk 0 is there".into(),
        place: Some(Place { file: 0, range: 5..9, origin: crate::content::Origin::Zeros }),
    }));
    let text = failure(&plan, &ran, "truecopy sim replay x.toml");
    for part in [
        "S2 Claim",
        "0.003000 s, host 1, a receiver",
        "bytes 5..9 of share/f0",
        "zeros",
        "truecopy sim replay x.toml",
        "host 1 is killed",
        "crash-kill 1",
        "the last 40 things",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn every_fault_that_a_seed_can_make_has_words_of_its_own() {
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let plan = Plan::of_seed(SeedText::new(Cast::Five, ChannelKind::Clear, Mix::All, seed));
        for fault in &plan.faults {
            kinds.insert(fault.name());
            assert_ne!(fault_in_words(fault), fault.name());
        }
        let text = story(&plan);
        assert!(text.contains("2 sender(s)") && text.contains("What goes wrong:"), "{text}");
    }
    assert!(kinds.len() > 20, "{kinds:?}");
}

#[test]
fn a_run_is_drawn_with_its_faults_and_its_end() {
    let plan = crashing();
    let ran = run(&plan, &Options { keep: Keep::All, ..Options::default() }).unwrap();
    let svg = picture(&plan, &ran);
    assert!(
        svg.contains("is killed") && svg.contains("host 2") && svg.contains("passed") && !svg.contains("NaN")
    );
}

fn watched(plan: &Plan) -> String {
    let ran = run(plan, &Options { watch: Watch::Swarm, ..Options::default() }).unwrap();
    swarm_picture(plan, &ran).unwrap()
}

fn crowd(receivers: u16, size: u64) -> Plan {
    let mut scenario = Scenario::new(2, receivers, &[size]);
    scenario.swarm = Swarming::On;
    scenario.staying = Staying::Seed;
    scenario.introduced = 4;
    Plan::calm(3, ChannelKind::Clear, scenario)
}

#[test]
fn a_swarm_is_drawn_with_a_row_for_each_peer_and_what_became_of_it() {
    let mut plan = crowd(4, 1 << 20)
        .with(Fault::Hostile { host: 1, script: Script::WrongBytes })
        .with(Fault::Crash { host: 3, at_ms: 3, down_ms: 30, end: End::Kill });
    plan.about = "<five> & \"more\"".to_owned();
    let svg = watched(&plan);
    for part in
        ["seeder 0", "seeder 1", "peer 2", "peer 5", "&lt;five&gt; &amp; &quot;more&quot;", " s</text>"]
    {
        assert!(svg.contains(part), "{part} is missing");
    }
    for class in ["p0", "p10", "p11", "m-done", "m-crash", "m-ban", "from-seeders"] {
        assert!(svg.contains(&format!("z\" class=\"{class}\"")), "nothing has the class {class}");
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<five>"));
    assert_eq!(svg, watched(&plan), "the same plan gives the same picture");
}

#[test]
fn a_swarm_of_many_is_drawn_in_few_bytes_and_rows() {
    let mut scenario = Scenario::new(2, 1_100, &[1_000]);
    scenario.sources = 1;
    let mut plan = Plan::calm(3, ChannelKind::Clear, scenario);
    plan.tuning.conns_max = Some(600);
    let svg = watched(&plan);
    assert!(svg.contains("a row for each 2 peers") && svg.len() < 400_000, "{} bytes", svg.len());
}

#[test]
fn who_is_not_watched_is_not_drawn_and_runs_no_other_way() {
    let plan = crowd(3, 300_000);
    let plain = run(&plan, &Options::default()).unwrap();
    assert_eq!(swarm_picture(&plan, &plain), None);
    let watched = run(&plan, &Options { watch: Watch::Swarm, ..Options::default() }).unwrap();
    assert_eq!(plain.trace.digest(), watched.trace.digest());
}

#[test]
fn a_sweep_is_told_as_junit() {
    let of = Sweep {
        cast: Cast::Pair,
        channel: ChannelKind::Clear,
        mix: Mix::Calm,
        first: 0,
        count: 3,
        jobs: 1,
        time: None,
        failures_max: 1,
    };
    let text = junit(&of, &sweep(&of));
    assert!(text.contains("tests=\"3\" failures=\"0\"") && text.ends_with("</testsuite>\n"), "{text}");
}
