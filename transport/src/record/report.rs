//! What a replay shows.

use std::fmt;

use truecopy_protocol::Now;

use super::entry::Start;
use super::format::ReadError;

/// Where a replayed node first does not do what the recorded one did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The number of the input, from 0.
    pub index: u64,
    /// Its time.
    pub now: Now,
    /// The input.
    pub input: String,
    /// What the recorded node did.
    pub recorded: String,
    /// What this one does.
    pub replayed: String,
}

/// How a recording ends.
#[derive(Debug)]
pub enum Ending {
    /// In good order.
    Finished,
    /// The program was killed, or is still running: everything up to here was whole. Nothing is known of what followed
    /// the last input.
    Unfinished,
    /// The rest is not readable.
    Torn(ReadError),
}

/// How many calls of streams and disks a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Calls of streams.
    pub streams: u64,
    /// Calls of disks.
    pub disks: u64,
}

/// What a replay showed.
#[derive(Debug)]
pub struct Report {
    /// With what the node began.
    pub start: Start,
    /// Inputs that were given to the node.
    pub inputs: u64,
    /// The time of the last of them.
    pub now: Now,
    /// Where the node first did something else; none: it did the same throughout.
    pub divergence: Option<Divergence>,
    /// How the recording ends; unknown where the replay stopped at a divergence.
    pub ending: Option<Ending>,
    /// What stands beside the inputs.
    pub shapes: Shapes,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.now.since(self.start.now).as_secs_f64();
        match &self.divergence {
            None => write!(f, "same: {} inputs over {seconds:.3} s", self.inputs)?,
            Some(at) => {
                let seconds = at.now.since(self.start.now).as_secs_f64();
                writeln!(f, "different: at input {}, after {seconds:.3} s", at.index)?;
                writeln!(f, "  input:    {}", at.input)?;
                writeln!(f, "  recorded: {}", at.recorded)?;
                write!(f, "  replayed: {}", at.replayed)?;
            }
        }
        match &self.ending {
            None | Some(Ending::Finished) => Ok(()),
            Some(Ending::Unfinished) => write!(f, "\nthe recording was not finished"),
            Some(Ending::Torn(why)) => write!(f, "\n{why}; what comes before was replayed"),
        }
    }
}
