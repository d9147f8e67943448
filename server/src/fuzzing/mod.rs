//! Bodies of the fuzz targets of this crate. See `truecopy_protocol::fuzzing`.

mod machine;
mod request;

pub use self::machine::tracker_machine;
pub use self::request::tracker_request;

use truecopy_protocol::fuzzing::Target;

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target::new("tracker_request", tracker_request, 512 << 10),
    Target::new("tracker_machine", tracker_machine, 2 << 20),
];
