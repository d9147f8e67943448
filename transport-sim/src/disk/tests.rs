//! Every fault happens when it should, is counted, and leaves the draws of the others alone.

mod chance;
mod planned;
mod power;
mod views;

use std::io;

use truecopy_protocol::content::name::RelPathBuf;
use truecopy_transport::disk::{Disk, OpenMode, Taken};

use super::*;

fn path(text: &str) -> RelPathBuf {
    RelPathBuf::new(text.into()).unwrap()
}

/// A disk with the faults of a plan.
fn planned(faults: &[DiskFault]) -> FaultyDisk {
    let disk = FaultyDisk::new(1, Faults::default());
    for fault in faults {
        disk.schedule(fault.clone());
    }
    disk
}

fn create(disk: &FaultyDisk, name: &str) -> FaultyFile {
    disk.open(path(name).as_path(), OpenMode::Create).unwrap()
}

fn open(disk: &FaultyDisk, name: &str) -> FaultyFile {
    disk.open(path(name).as_path(), OpenMode::Update).unwrap()
}

fn read(disk: &FaultyDisk, name: &str) -> Vec<u8> {
    disk.content(path(name).as_path()).unwrap()
}

/// What the platter has under a name; none if the name is not there.
fn durable(disk: &FaultyDisk, name: &str) -> Option<Vec<u8>> {
    let mut buf = vec![0; 1 << 20];
    let len = disk.read_durable(path(name).as_path(), 0, &mut buf)?;
    buf.truncate(len);
    Some(buf)
}

fn kind<T>(result: io::Result<T>) -> io::ErrorKind {
    result.err().unwrap().kind()
}
