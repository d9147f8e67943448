//! The command line. Every flag can also be given as `TRUECOPY_<FLAG>` or in `config.toml`; the flag wins, then the
//! variable, then the file.

mod config;
mod daemon;
mod limits;
mod sim;
mod swarm;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use truecopy_protocol::TrackerUrl;

pub use daemon::{DaemonArgs, Loopback, RoomArgs, StatusArgs, SteerArgs, TopArgs};
pub use limits::{Hours, Limit, LimitArgs};
pub use sim::{
    BenchArgs, CoverageArgs, DeterminismArgs, ExplainArgs, PlanArgs, ShrinkArgs, SimArgs, SimChannel,
    SimCommand, SimReplayArgs, SimSwarmArgs, StoryArgs, SweepArgs,
};
pub use swarm::{SeedArgs, SeedUntil, SendSwarmArgs, SwarmArgs};
pub use values::{Level, LinkPolicy, Listen, LogFormat, OnConflict, Pause, PeerSpec, RoomText};

use crate::commands;
use crate::exit::Result;
use crate::home::Home;

/// Moves files and folders directly between machines, surely intact.
#[derive(Debug, Parser)]
#[command(name = "truecopy", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Examples:\n  truecopy send photos            offer a folder; prints the line to type elsewhere\n  truecopy truecopy:…             receive it (short for `truecopy get truecopy:…`)\n  truecopy demo                   watch a transfer between two processes on this machine\n\nEvery flag can be set as TRUECOPY_<FLAG>, as TRUECOPY_ON_CONFLICT=rename, or in config.toml, as on-conflict = \"rename\"."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offer files and folders, and serve whoever has the ticket
    #[command(
        after_help = "Examples:\n  truecopy send report.pdf photos\n  truecopy send --once -q photos | ssh there 'xargs truecopy get'\n\nSent again within 30 days, the same paths keep their ticket if nothing changed."
    )]
    Send(SendArgs),
    /// Receive what a ticket, a link or a metadata file names
    #[command(
        after_help = "Examples:\n  truecopy get truecopy:…\n  truecopy get truecopy:… -o ~/Downloads --only '*.jpg'\n  truecopy get release.truecopy --peer 192.0.2.1:7000\n  truecopy get truecopy:… --only film.mkv -o - | mpv -\n\nNothing is overwritten unless you say so. Run the same line again to resume."
    )]
    Get(GetArgs),
    /// Serve shares, those of earlier times too, until stopped
    #[command(
        after_help = "Examples:\n  truecopy seed photos release.truecopy\n  truecopy seed                     all that is remembered\n  truecopy seed --list\n  truecopy seed --forget photos\n\nWhat is served is remembered, and so is what `get --seed` fetched. Files are compared with what they were first:\nnothing is served that has changed."
    )]
    Seed(SeedArgs),
    /// Write a metadata file: what the data is, without the data
    #[command(
        after_help = "Examples:\n  truecopy create photos -o photos.truecopy\n\nThe file is public: whoever has it can fetch the content from anyone who serves it."
    )]
    Create(CreateArgs),
    /// Show what a metadata file, a ticket or a link names
    #[command(
        after_help = "Examples:\n  truecopy inspect photos.truecopy\n  truecopy inspect photos.truecopy --json\n  truecopy inspect truecopy:…\n\nWith a ticket the list of files is fetched from the sender, and nothing else."
    )]
    Inspect(InspectArgs),
    /// Print a link: what the data is and which trackers know who has it, but no address
    #[command(
        after_help = "Examples:\n  truecopy link photos --tracker https://tracker.example\n  truecopy link photos.truecopy --tracker https://tracker.example\n  truecopy link truecopy:…\n\nThe link of a path opens what `truecopy send` of the same path serves, for as long as that keeps its ticket.\nThe link of a metadata file is public, as the file is."
    )]
    Link(LinkArgs),
    /// Compare files on this disk with a metadata file; exit code 7 on any difference
    #[command(
        after_help = "Examples:\n  truecopy verify photos --against photos.truecopy\n  truecopy verify ~/Downloads --against photos.truecopy --allow-extra"
    )]
    Verify(VerifyArgs),
    /// List the transfers of the daemon, if one runs, and what is half done here; or what is half done in a folder
    #[command(
        after_help = "Examples:\n  truecopy ls\n  truecopy ls ~/Downloads --json\n\nWithout a folder: first the transfers of the daemon of this home, as `truecopy status` shows them, then what is half\ndone in the current folder. With a folder: what is half done there, and nothing else. The same `truecopy get` as before goes on where it was."
    )]
    Ls(LsArgs),
    /// Remove what is half done in a folder
    #[command(
        after_help = "Examples:\n  truecopy clean ~/Downloads\n  truecopy clean ~/Downloads --only 'photos*' --yes\n\nWhat a running transfer works on is left alone."
    )]
    Clean(CleanArgs),
    /// Show a transfer between two processes of this machine
    #[command(after_help = "Examples:\n  truecopy demo\n  truecopy demo ~/photos")]
    Demo(DemoArgs),
    /// Run a recording again and compare; exit code 7 if it goes another way
    #[command(
        after_help = "Examples:\n  truecopy replay send.rec\n  truecopy get truecopy:… --record get.rec ; truecopy replay get.rec\n\nNeeds neither network nor files: the recording holds what the program was told and what it did then, but no secret\nand no byte of a file. Exit code 0: the same (up to its end, if it was cut off). 7: another, and where first.\n2: this is no recording. 8: it cannot be read, or is damaged."
    )]
    Replay(ReplayArgs),
    /// Be a node: meet others, talk to them, offer them files; a console
    #[command(
        after_help = "Examples:\n  truecopy node --port 7000\n  truecopy node                        then: connect 192.0.2.1:7000\n  truecopy node --room new             in a room of its own; prints the code for others\n  echo 'send 192.0.2.1:7000 hello' | truecopy node\n\nType `help` for what can be typed. From a pipe it ends when all is said and moved. Keys of nodes are remembered\nwhen they are first seen; at the same address no other key is taken later."
    )]
    Node(NodeArgs),
    /// Be a node in the background: transfers outlive it, programs steer it over a local API
    #[command(
        after_help = "Examples:\n  truecopy daemon\n  truecopy daemon --socket ~/.truecopy.sock\n  truecopy daemon --unit > ~/.config/systemd/user/truecopy.service\n\nThe address and the token of the API are in files of the state folder that only you can read (see docs/api.md).\nTransfers are taken up again after a crash or a reboot."
    )]
    Daemon(DaemonArgs),
    /// Print the code of a new private room, for `--room` of nodes that shall meet there and nobody else
    #[command(
        after_help = "Examples:\n  truecopy room > room.code\n  TRUECOPY_ROOM=$(cat room.code) truecopy node\n\nThe code is a secret: give it to whom you would have in the room. It is made of random bytes; nothing is kept."
    )]
    Room(RoomArgs),
    /// Show the daemon: who is here, what moves, what is offered
    #[command(
        after_help = "Examples:\n  truecopy status\n  truecopy status --json\n\nExit code 20: no daemon of this home can be reached."
    )]
    Status(StatusArgs),
    /// Watch and steer the daemon on a terminal: transfers, peers, chunks, messages
    #[command(
        after_help = "Examples:\n  truecopy top\n\nKeys:\n  ↑ ↓        choose a transfer or an offer\n  p r c t    pause, resume, cancel, retry\n  a d        accept, decline\n  x          forget; what is verified is kept\n  :          give an order, as in the console: send bob hello\n  q          leave; the daemon goes on\n\nExit code 20: no daemon of this home can be reached."
    )]
    Top(TopArgs),
    /// Pause a transfer of the daemon
    #[command(after_help = "Examples:\n  truecopy pause 3")]
    Pause(SteerArgs),
    /// Go on with a paused transfer of the daemon
    #[command(after_help = "Examples:\n  truecopy resume 3")]
    Resume(SteerArgs),
    /// End a transfer of the daemon; what is verified is kept
    #[command(after_help = "Examples:\n  truecopy cancel 3")]
    Cancel(SteerArgs),
    /// Try a transfer of the daemon again, at once
    #[command(after_help = "Examples:\n  truecopy retry 3")]
    Retry(SteerArgs),
    /// Have the daemon forget a transfer, and end it first if it is under way; what is verified is kept
    #[command(after_help = "Examples:\n  truecopy rm 3")]
    Rm(SteerArgs),
    /// Run the real code on simulated networks and disks
    #[command(
        after_help = "Examples:\n  truecopy sim story\n  truecopy sim --seed tc1:pair:clear:swarm:00000000000004d2\n  truecopy sim sweep --seeds 0..10000\n\nNothing here touches a network, or a file that is not named. Exit codes: 0 passed; 1 an oracle failed; 2 usage;\n3 equal plans gave different runs; 4 the budget is used up; 8 a file cannot be read or written.\nSee docs/simulation.md."
    )]
    Sim(SimArgs),
    /// Print the completions of a shell
    #[command(
        after_help = "Examples:\n  truecopy completions bash > ~/.local/share/bash-completion/completions/truecopy"
    )]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands into a folder
    #[command(
        after_help = "Examples:\n  truecopy man | man -l -\n  truecopy man --pages ~/.local/share/man/man1"
    )]
    Man(ManArgs),
}

/// How to tell what happens.
#[derive(Clone, Debug, Default, Args)]
pub struct OutputArgs {
    /// Write one JSON object a line to standard output (see docs/json.md)
    #[arg(long, env = "TRUECOPY_JSON", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub json: bool,
    /// Write nothing but the product and errors
    #[arg(short, long, env = "TRUECOPY_QUIET", value_parser = FalseyValueParser::new(), help_heading = "Output")]
    pub quiet: bool,
    /// Tell more; twice: tell everything
    #[arg(short, long, env = "TRUECOPY_VERBOSE", action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,
    /// Write a structured log of this level to standard error
    #[arg(long, env = "TRUECOPY_LOG", value_name = "LEVEL", help_heading = "Output")]
    pub log: Option<Level>,
    /// How the log is written
    #[arg(
        long,
        env = "TRUECOPY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    pub log_format: LogFormat,
}

/// `truecopy send`.
#[derive(Clone, Debug, Args)]
pub struct SendArgs {
    /// Files and folders to offer
    #[arg(required = true, value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Address and port to listen on, repeatable [default: all interfaces, any port]
    #[arg(long, env = "TRUECOPY_LISTEN", value_name = "ADDR:PORT", value_delimiter = ',')]
    pub listen: Vec<Listen>,
    /// End after the first receiver has finished
    #[arg(long, env = "TRUECOPY_ONCE", value_parser = FalseyValueParser::new())]
    pub once: bool,
    /// Serve only if the data is what this metadata file says
    #[arg(long, env = "TRUECOPY_METADATA", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub metadata: Option<PathBuf>,
    /// Tracker where peers announce themselves, repeatable: http(s)://HOST:PORT
    #[arg(long, env = "TRUECOPY_TRACKER", value_name = "URL", value_delimiter = ',')]
    pub tracker: Vec<TrackerUrl>,
    /// What to do with symbolic links inside of folders
    #[arg(long, env = "TRUECOPY_LINKS", value_name = "POLICY", default_value = "keep")]
    pub links: LinkPolicy,
    /// Swarm.
    #[command(flatten)]
    pub swarm: SendSwarmArgs,
    /// End if nobody came, or a receiver is silent, for so long, as 90s, 10m or 2h
    #[arg(long, env = "TRUECOPY_TIMEOUT", value_name = "TIME")]
    pub timeout: Option<Pause>,
    /// Write a recording of the run, to be replayed: it names files and peers, but holds no secret and no byte of a file
    #[arg(long, env = "TRUECOPY_RECORD", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// Limits of rates.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy get`.
#[derive(Clone, Debug, Args)]
pub struct GetArgs {
    /// A ticket (truecopy:…), a link (truecopy-link:…) or a metadata file
    #[arg(value_name = "TICKET|LINK|FILE", value_hint = ValueHint::FilePath)]
    pub source: OsString,
    /// Folder to put it in; `-` writes one file to standard output as it comes
    #[arg(short = 'o', long, env = "TRUECOPY_DIR", value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// What to do if a name is taken by something else [default: ask on a terminal, else fail]
    #[arg(long, env = "TRUECOPY_ON_CONFLICT", value_name = "POLICY")]
    pub on_conflict: Option<OnConflict>,
    /// Only files that match, repeatable
    #[arg(long, env = "TRUECOPY_ONLY", value_name = "GLOB")]
    pub only: Vec<String>,
    /// No files that match, repeatable
    #[arg(long, env = "TRUECOPY_EXCLUDE", value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Files that match before all others, repeatable
    #[arg(long, env = "TRUECOPY_FIRST", value_name = "GLOB")]
    pub first: Vec<String>,
    /// Accept the offer without asking
    #[arg(short, long, env = "TRUECOPY_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Who has it, repeatable: an address, or a ticket whose addresses are used
    #[arg(long, env = "TRUECOPY_PEER", value_name = "HOST:PORT|TICKET", value_delimiter = ',')]
    pub peer: Vec<PeerSpec>,
    /// Tracker where peers announce themselves, repeatable: http(s)://HOST:PORT
    #[arg(long, env = "TRUECOPY_TRACKER", value_name = "URL", value_delimiter = ',')]
    pub tracker: Vec<TrackerUrl>,
    /// Print the SHA-256 of every placed file, as sha256sum does
    #[arg(long, env = "TRUECOPY_SHA256SUMS", value_parser = FalseyValueParser::new())]
    pub sha256sums: bool,
    /// Do not hash again what an earlier run left on this disk
    #[arg(long, env = "TRUECOPY_TRUST_DISK", value_parser = FalseyValueParser::new())]
    pub trust_disk: bool,
    /// Swarm.
    #[command(flatten)]
    pub swarm: SwarmArgs,
    /// Give up if no peer can be reached for so long, as 90s, 10m or 2h
    #[arg(long, env = "TRUECOPY_TIMEOUT", value_name = "TIME")]
    pub timeout: Option<Pause>,
    /// Write a recording of the run, to be replayed: it names files and peers, but holds no secret and no byte of a file
    #[arg(long, env = "TRUECOPY_RECORD", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
    /// Limits of rates.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl GetArgs {
    /// What a bare `get` of this into a folder means.
    pub fn plain(source: OsString, dir: PathBuf) -> Self {
        Self {
            source,
            dir,
            on_conflict: None,
            only: Vec::new(),
            exclude: Vec::new(),
            first: Vec::new(),
            yes: false,
            peer: Vec::new(),
            tracker: Vec::new(),
            sha256sums: false,
            trust_disk: false,
            swarm: SwarmArgs::default(),
            timeout: None,
            record: None,
            limits: LimitArgs::default(),
            output: OutputArgs::default(),
        }
    }
}

/// `truecopy node`.
#[derive(Clone, Debug, Args)]
pub struct NodeArgs {
    /// Port to listen on, on all interfaces [default: any]
    #[arg(long, env = "TRUECOPY_PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// Address and port to listen on, repeatable
    #[arg(
        long,
        env = "TRUECOPY_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ',',
        conflicts_with = "port"
    )]
    pub listen: Vec<Listen>,
    /// Folder for files that are accepted
    #[arg(short = 'o', long, env = "TRUECOPY_DIR", value_name = "DIR", default_value = "downloads", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Accept every offer unasked, not only those of trusted nodes: for scripts and tests
    #[arg(long, env = "TRUECOPY_AUTO_ACCEPT", value_parser = FalseyValueParser::new())]
    pub auto_accept: bool,
    /// Room to be in: a code that `truecopy room` makes, `new` or `lobby`. A code here is seen in lists of processes: prefer the variable [default: lobby, where everybody may come in]
    #[arg(
        long,
        env = "TRUECOPY_ROOM",
        value_name = "CODE",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub room: Option<RoomText>,
    /// Limits of rates.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy create`.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// Files and folders to describe
    #[arg(required = true, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// The metadata file to write; it must not be there
    #[arg(short = 'o', long, env = "TRUECOPY_OUT", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: PathBuf,
    /// Tracker where peers announce themselves, repeatable: http(s)://HOST:PORT
    #[arg(long, env = "TRUECOPY_TRACKER", value_name = "URL", value_delimiter = ',')]
    pub tracker: Vec<TrackerUrl>,
    /// What to do with symbolic links inside of folders
    #[arg(long, env = "TRUECOPY_LINKS", value_name = "POLICY", default_value = "keep")]
    pub links: LinkPolicy,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy link`.
#[derive(Clone, Debug, Args)]
pub struct LinkArgs {
    /// Files and folders; or a metadata file, a ticket or another link
    #[arg(required = true, value_name = "PATH|FILE|TICKET|LINK", value_hint = ValueHint::AnyPath)]
    pub source: Vec<PathBuf>,
    /// Tracker where peers announce themselves, repeatable: http(s)://HOST:PORT
    #[arg(long, env = "TRUECOPY_TRACKER", value_name = "URL", value_delimiter = ',')]
    pub tracker: Vec<TrackerUrl>,
    /// What to do with symbolic links inside of folders: as with `send`
    #[arg(long, env = "TRUECOPY_LINKS", value_name = "POLICY", default_value = "keep")]
    pub links: LinkPolicy,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectArgs {
    /// A metadata file, a ticket or a link
    #[arg(value_name = "FILE|TICKET|LINK", value_hint = ValueHint::FilePath)]
    pub source: OsString,
    /// Show what the ticket or link itself says, and ask nobody for the list of files
    #[arg(long, env = "TRUECOPY_OFFLINE", value_parser = FalseyValueParser::new())]
    pub offline: bool,
    /// Give up if the sender of a ticket cannot be reached for so long [default: 10s]
    #[arg(long, env = "TRUECOPY_TIMEOUT", value_name = "TIME")]
    pub timeout: Option<Pause>,
    /// Print the SHA-256 of every file, as sha256sum does; needs the data
    #[arg(long, env = "TRUECOPY_SHA256SUMS", value_parser = FalseyValueParser::new())]
    pub sha256sums: bool,
    /// Where the data lies, for --sha256sums
    #[arg(long, env = "TRUECOPY_DATA", value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub data: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The files: the folder that holds them, or the shared file or folder itself
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: PathBuf,
    /// The metadata file to compare with
    #[arg(long, env = "TRUECOPY_AGAINST", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub against: PathBuf,
    /// Pass over files that are here but not in the metadata file
    #[arg(long, env = "TRUECOPY_ALLOW_EXTRA", value_parser = FalseyValueParser::new())]
    pub allow_extra: bool,
    /// Print the SHA-256 of every file that is as it should be, as sha256sum does
    #[arg(long, env = "TRUECOPY_SHA256SUMS", value_parser = FalseyValueParser::new())]
    pub sha256sums: bool,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy ls`.
#[derive(Clone, Debug, Args)]
pub struct LsArgs {
    /// The folder that was received into [default: this one, after the transfers of the daemon]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy clean`.
#[derive(Clone, Debug, Args)]
pub struct CleanArgs {
    /// The folder that was received into
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
    /// Only shares whose name matches, repeatable
    #[arg(long, env = "TRUECOPY_ONLY", value_name = "GLOB")]
    pub only: Vec<String>,
    /// Remove without asking
    #[arg(short, long, env = "TRUECOPY_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// What to move [default: a folder made for it]
    #[arg(value_hint = ValueHint::AnyPath)]
    pub path: Option<PathBuf>,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// A recording, as --record writes it
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `truecopy completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// `truecopy man`.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// Folder to write the pages of all commands into
    #[arg(long, env = "TRUECOPY_PAGES", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub pages: Option<PathBuf>,
}

impl Command {
    /// How to tell what happens.
    pub fn output(&self) -> OutputArgs {
        match self {
            Self::Send(args) => args.output.clone(),
            Self::Get(args) => args.output.clone(),
            Self::Seed(args) => args.output.clone(),
            Self::Create(args) => args.output.clone(),
            Self::Inspect(args) => args.output.clone(),
            Self::Link(args) => args.output.clone(),
            Self::Verify(args) => args.output.clone(),
            Self::Ls(args) => args.output.clone(),
            Self::Clean(args) => args.output.clone(),
            Self::Demo(args) => args.output.clone(),
            Self::Replay(args) => args.output.clone(),
            Self::Node(args) => args.output.clone(),
            Self::Daemon(args) => args.node.output.clone(),
            Self::Room(args) => args.output.clone(),
            Self::Status(args) => args.output.clone(),
            Self::Pause(args)
            | Self::Resume(args)
            | Self::Cancel(args)
            | Self::Retry(args)
            | Self::Rm(args) => args.output.clone(),
            Self::Top(_) | Self::Sim(_) | Self::Completions(_) | Self::Man(_) => OutputArgs::default(),
        }
    }
}

/// Why there is no command to run.
#[derive(Debug)]
pub enum NoCommand {
    /// clap has something to say: help, version, or what is wrong with the arguments.
    Clap(clap::Error),
    /// The configuration is wrong.
    Config(crate::exit::Error),
}

/// Reads the command line, the environment and `config.toml`.
pub fn read(mut args: Vec<OsString>, home: &Result<Home>) -> std::result::Result<Cli, NoCommand> {
    let mut model = Cli::command();
    if let Some(first) = args.get(1)
        && commands::is_bare_source(first)
    {
        args.insert(1, "get".into());
    }
    if let Ok(home) = home {
        let config = config::read(&home.config_file()).map_err(NoCommand::Config)?;
        model = config::apply(model, &config, &home.config_file()).map_err(NoCommand::Config)?;
    }
    let matches = model.try_get_matches_from(args).map_err(NoCommand::Clap)?;
    Cli::from_arg_matches(&matches).map_err(NoCommand::Clap)
}

#[cfg(test)]
mod tests;
