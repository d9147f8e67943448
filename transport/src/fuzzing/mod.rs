//! Bodies of the fuzz targets of this crate. See `truecopy_protocol::fuzzing`.

mod recording;

pub use recording::recording;

use truecopy_protocol::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[Target::new("recording", recording, 8 << 20)];
