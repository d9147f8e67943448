//! Recordings: a run of a node, written at the core's door, and run again from the file.
//!
//! A [`Recorder`] taps a driver; [`replay()`] gives what it wrote to a new core and compares what comes out. Beside the
//! run stands the shape of every stream and disk call ([`RecordedStream`], [`RecordedDisk`]). A recording holds
//! neither bytes of files, nor private keys, nor access secrets. `docs/recordings.md` has the format.

mod command;
mod digest;
mod entry;
mod format;
mod recorder;
mod replay;
mod report;
mod shapes;
mod stand_in;

pub use entry::{
    DiskCall, DiskShape, Effect, Entry, Note, OutputKind, RecordedCommand, RecordedInput, RecordedShare, Run,
    Secret, Start, StreamCall, StreamShape,
};
pub use format::{MAGIC, PIECE_MAX, ReadError, Reader, VERSION, Writer};
pub use recorder::{Recorder, Recording, Tap};
pub use replay::replay;
pub use report::{Divergence, Ending, Report, Shapes};
pub use shapes::{RecordedDisk, RecordedFile, RecordedStream};
