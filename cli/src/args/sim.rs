//! `truecopy sim …`. A run depends on what its line says and on nothing else: these flags have no variables and no
//! place in `config.toml`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// `truecopy sim`.
#[derive(Clone, Debug, Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct SimArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: SimCommand,
}

/// What to do with the simulator.
#[derive(Clone, Debug, Subcommand)]
pub enum SimCommand {
    /// Tell how a transfer loses bytes without an error, and who would have noticed
    #[command(
        after_help = "Examples:\n  truecopy sim story\n  truecopy sim story --seed 7 --svg story.svg\n\nA program that does not look at the number that a write returns sends a file over a good network and over an\nunstable one; then under each layer of truecopy; then truecopy's own pump does it. All of it is run, in simulated\ntime, in less than a second."
    )]
    Story(StoryArgs),
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
