//! Runs seeds: `cargo run --example sweep -- CAST CHANNEL MIX FIRST COUNT JOBS`.
use truecopy_sim::campaign::{Sweep, sweep};
use truecopy_sim::plan::{ChannelKind, Plan, SeedText};
use truecopy_sim::world::{Options, run};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.len() == 1 {
        let plan = match args[0].parse::<SeedText>() {
            Ok(s) => Plan::of_seed(s),
            Err(_) => Plan::from_toml(&std::fs::read_to_string(&args[0]).unwrap()).unwrap(),
        };
        println!("{}", plan.to_toml());
        let run = run(&plan, &Options::default()).unwrap();
        let records: Vec<_> = run.trace.records().collect();
        for r in records.iter().skip(records.len().saturating_sub(300)) {
            println!("{r}");
        }
        println!("{:?}\n{:?}", run.verdict, run.stats);
        return;
    }
    if let Ok(limit) = std::env::var("SLOW") {
        let (first, count): (u64, u64) = (args[3].parse().unwrap(), args[4].parse().unwrap());
        for n in first..first + count {
            let channel = if args[1] == "tls" { ChannelKind::Tls } else { ChannelKind::Clear };
            let seed =
                SeedText { cast: args[0].parse().unwrap(), channel, mix: args[2].parse().unwrap(), seed: n };
            let t = std::time::Instant::now();
            let r = run(&Plan::of_seed(seed), &Options { events_max: Some(300_000), ..Options::default() })
                .unwrap();
            if t.elapsed().as_millis() > limit.parse().unwrap() {
                println!("{seed} {:?} {:?} {:?}", t.elapsed(), r.stats, r.verdict);
            }
        }
        return;
    }
    let s = Sweep {
        cast: args[0].parse().unwrap(),
        channel: if args[1] == "tls" { ChannelKind::Tls } else { ChannelKind::Clear },
        mix: args[2].parse().unwrap(),
        first: args[3].parse().unwrap(),
        count: args[4].parse().unwrap(),
        jobs: args[5].parse().unwrap(),
        time: std::env::var("TIME").ok().map(|t| std::time::Duration::from_secs(t.parse().unwrap())),
        failures_max: 12,
    };
    let t = sweep(&s);
    for f in &t.failed {
        println!("{} {}", f.seed, f.violation);
    }
    if std::env::var("COVER").is_ok() {
        for (k, n, c) in t.coverage.rows() {
            println!("{k:7} {n:40} {c}");
        }
    }
    println!(
        "{} runs, {} failed, {:.0}/min, {:.0} events/run, {:.1} sim s/run",
        t.runs,
        t.failed.len(),
        t.per_minute(),
        t.events as f64 / t.runs as f64,
        t.nanos as f64 / t.runs as f64 / 1e9
    );
}
