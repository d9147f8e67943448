//! Reactors that talk over loopback: real sockets, real threads, files in memory.

mod chaos;
mod content;
mod host;
mod hostile;
mod links;
mod stuck;
mod transfer;
