//! `truecopy sim …`. A run depends on what its line says and on nothing else: these flags have no variables and no
//! place in `config.toml`.

use std::ops::Range;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand, ValueEnum, ValueHint};
use truecopy_sim::campaign::{Cast, Mix};
use truecopy_sim::plan::{ChannelKind, SeedText};
use truecopy_sim::scenes;

use super::values::Pause;

/// `truecopy sim`.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct SimArgs {
    /// Run the plan of this seed, as tc1:pair:clear:swarm:00000000000004d2
    #[arg(long, value_name = "SEED", required = true)]
    pub seed: Option<SeedText>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<SimCommand>,
}

/// What to do with the simulator.
#[derive(Clone, Debug, Subcommand)]
pub enum SimCommand {
    /// Tell how a transfer loses bytes without an error, and who would have noticed
    #[command(
        after_help = "Examples:\n  truecopy sim story\n  truecopy sim story --seed 7 --svg story.svg\n\nA program that does not look at the number that a write returns sends a file over a good network and over an\nunstable one; then under each layer of truecopy; then truecopy's own pump does it. All of it is run, in simulated\ntime, in less than a second."
    )]
    Story(StoryArgs),
    /// Run many seeds
    #[command(
        after_help = "Examples:\n  truecopy sim sweep --seeds 0..10000\n  truecopy sim sweep --cast five --mix only-power-cuts --time 5m --junit sims.xml\n\nMixes: calm, single, pair, subset, all, light, swarm, and only-KIND. Casts: pair, five, swarm, varied."
    )]
    Sweep(SweepArgs),
    /// Run a plan, or a recording of a real transfer
    #[command(
        after_help = "Examples:\n  truecopy sim replay failure.toml --trace --until 12.5 --node 3\n  truecopy sim replay failure.toml --svg failure.svg\n  truecopy sim replay failure.toml --swarm-svg swarm.svg\n  truecopy sim replay get.rec"
    )]
    Replay(SimReplayArgs),
    /// Write the plan of a seed, or of a recording of a real transfer
    #[command(
        after_help = "Examples:\n  truecopy sim plan tc1:five:clear:all:1f -o plan.toml\n  truecopy sim plan get.rec -o plan.toml\n\nOf a recording come the sizes of the files, how much each call moved, and the bytes at which connections broke.\nThe contents are made up."
    )]
    Plan(PlanArgs),
    /// Make a failing plan small
    #[command(
        after_help = "Examples:\n  truecopy sim shrink tc1:five:clear:all:1f -o small.toml\n  truecopy sim shrink failure.toml --budget 10m\n\nBeside the small plan comes a unit test that includes it, as FILE.rs."
    )]
    Shrink(ShrinkArgs),
    /// Tell a plan in words, host by host
    #[command(
        after_help = "Examples:\n  truecopy sim explain tc1:five:clear:all:1f\n  truecopy sim explain failure.toml"
    )]
    Explain(ExplainArgs),
    /// Play swarms and rooms at scale, and tell how long they take
    #[command(
        after_help = "Examples:\n  truecopy sim swarm\n  truecopy sim swarm small\n  truecopy sim swarm crowd20 free\n  truecopy sim swarm crowd100 --svg crowd100.svg\n  truecopy sim swarm broadcast500\n\nWithout a name it lists the scenes. Wherever a plan is taken, the name of a scene is too: truecopy sim plan crowd20.\nTimes are simulated seconds. The program should be an optimised build."
    )]
    Swarm(SimSwarmArgs),
    /// Count which faults and branches are met; one that is never met fails
    #[command(after_help = "Examples:\n  truecopy sim coverage\n  truecopy sim coverage --seeds 0..20000")]
    Coverage(CoverageArgs),
    /// Run each seed twice, and compare everything that happens
    #[command(after_help = "Examples:\n  truecopy sim check-determinism --seeds 200")]
    CheckDeterminism(DeterminismArgs),
    /// Say how to run the planted bugs that prove the oracles
    #[command(after_help = "Examples:\n  truecopy sim mutants")]
    Mutants,
    /// Measure the simulator
    #[command(after_help = "Examples:\n  truecopy sim bench --jobs 2")]
    Bench(BenchArgs),
}

/// `truecopy sim story`.
#[derive(Clone, Debug, Args)]
pub struct StoryArgs {
    /// Which weather: equal seeds tell equal stories
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub seed: u64,
    /// Write the story as a picture, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,
}

/// Which channel the simulated hosts use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SimChannel {
    /// None: changed bytes reach frames, hashes and stores
    Clear,
    /// TLS 1.3 whose randomness comes from the seed
    Tls,
}

impl From<SimChannel> for ChannelKind {
    fn from(channel: SimChannel) -> Self {
        match channel {
            SimChannel::Clear => Self::Clear,
            SimChannel::Tls => Self::Tls,
        }
    }
}

/// `truecopy sim sweep`.
#[derive(Clone, Debug, Args)]
pub struct SweepArgs {
    /// From which seed to which
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = seeds)]
    pub seeds: Range<u64>,
    /// Which faults
    #[arg(long, default_value = "swarm")]
    pub mix: Mix,
    /// Who takes part
    #[arg(long, default_value = "five")]
    pub cast: Cast,
    /// Which channel
    #[arg(long, default_value = "clear")]
    pub channel: SimChannel,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// End after so long, as 90s, 10m or 2h
    #[arg(long, value_name = "TIME")]
    pub time: Option<Pause>,
    /// End after so many failures
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub failures: usize,
    /// Write the results as JUnit XML, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
}

/// `truecopy sim replay`.
#[derive(Clone, Debug, Args)]
pub struct SimReplayArgs {
    /// A plan, a seed, a scene, or a recording
    #[arg(value_name = "PLAN|SEED|SCENE|RECORDING", value_hint = ValueHint::FilePath)]
    pub plan: String,
    /// Print everything that happens
    #[arg(long)]
    pub trace: bool,
    /// Stop at this simulated second
    #[arg(long, value_name = "SECONDS")]
    pub until: Option<f64>,
    /// Print only what this host does
    #[arg(long, value_name = "N")]
    pub node: Option<u16>,
    /// Draw the run: a lane for each host, bytes and faults
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub svg: Option<PathBuf>,
    /// Draw the swarm: who had what when, and from whom
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub swarm_svg: Option<PathBuf>,
}

/// `truecopy sim plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// A seed, a scene, or a recording
    #[arg(value_name = "SEED|SCENE|RECORDING", value_hint = ValueHint::FilePath)]
    pub plan: String,
    /// The file to write [default: standard output]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

/// `truecopy sim shrink`.
#[derive(Clone, Debug, Args)]
pub struct ShrinkArgs {
    /// A plan, a seed, a scene, or a recording
    #[arg(value_name = "PLAN|SEED|SCENE|RECORDING", value_hint = ValueHint::FilePath)]
    pub plan: String,
    /// The file to write [default: standard output]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// End after so long [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub budget: Option<Pause>,
    /// End after so many runs
    #[arg(long, value_name = "N", default_value_t = 2000)]
    pub runs: u32,
}

/// `truecopy sim explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// A plan, a seed, a scene, or a recording
    #[arg(value_name = "PLAN|SEED|SCENE|RECORDING", value_hint = ValueHint::FilePath)]
    pub plan: String,
}

/// `truecopy sim swarm`.
#[derive(Clone, Debug, Args)]
pub struct SimSwarmArgs {
    /// Which scenes [default: list them]
    #[arg(value_name = "NAME", value_parser = scenes_by_name(), hide_possible_values = true)]
    pub names: Vec<String>,
    /// Where all draws come from
    #[arg(long, value_name = "N", requires = "names")]
    pub seed: Option<u64>,
    /// Peers that each peer serves at once, in place of the default
    #[arg(long, value_name = "N", requires = "names")]
    pub slots: Option<u32>,
    /// How often each peer chooses anew whom to serve, as 10s, in place of the default
    #[arg(long, value_name = "TIME", requires = "names")]
    pub choke: Option<Pause>,
    /// Draw it: who had what when, and from whom
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "names")]
    pub svg: Option<PathBuf>,
}

/// `truecopy sim coverage`.
#[derive(Clone, Debug, Args)]
pub struct CoverageArgs {
    /// From which seed to which, in every cast and over both channels
    #[arg(long, value_name = "A..B", default_value = "0..3000", value_parser = seeds)]
    pub seeds: Range<u64>,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// `truecopy sim check-determinism`.
#[derive(Clone, Debug, Args)]
pub struct DeterminismArgs {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub seeds: u64,
}

/// `truecopy sim bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// The names of all scenes, for those who complete and those who mistype them.
fn scenes_by_name() -> PossibleValuesParser {
    PossibleValuesParser::new(
        scenes::all().iter().map(|scene| PossibleValue::new(scene.name).help(scene.about)),
    )
}

/// Reads `A..B`.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("say from which seed to which, as 0..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text}: {error}"));
    let range = number(first)?..number(end)?;
    if range.is_empty() { Err("there is no seed in that range".into()) } else { Ok(range) }
}
