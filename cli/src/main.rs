//! `truecopy`: moves files and folders directly between machines, surely intact.

use std::process::ExitCode;

fn main() -> ExitCode {
    truecopy::run::run(std::env::args_os().collect()).into()
}
