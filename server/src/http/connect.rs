//! Dialling a node at an address that it named, to see whether its key is there.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use truecopy_protocol::NodeId;
use truecopy_transport::channel::tls::{TlsConfig, TlsError};
use truecopy_transport::channel::{Channel, ChannelError, ChannelEvent};

/// For a connection to come about, and again for the handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes that a handshake may take: ten times what it needs.
const HANDSHAKE_MAX: usize = 16 * 1024;

/// Why a key was not proven.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproven {
    #[error("nothing answers there in time")]
    Silent,
    #[error(transparent)]
    Network(#[from] io::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Host(#[from] TlsError),
    #[error("the connection ended before the key was proven")]
    Ended,
}

/// Dials and lets the node prove its key as to any peer; then says goodbye. Nothing of a share is said.
pub(super) async fn prove(tls: &TlsConfig, address: SocketAddr, node: NodeId) -> Result<(), Unproven> {
    let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
    let mut stream = connected.map_err(|_| Unproven::Silent)??;
    let shaken = timeout(PATIENCE, shake(tls, &mut stream, node)).await;
    shaken.map_err(|_| Unproven::Silent)?
}

async fn shake(tls: &TlsConfig, stream: &mut TcpStream, node: NodeId) -> Result<(), Unproven> {
    let mut channel = tls.connect(Some(node))?;
    let mut heard = 0;
    loop {
        // What has to be said comes up while events are looked for.
        let event = channel.next_event(&mut |_| {});
        send(stream, &mut channel).await?;
        match event? {
            ChannelEvent::Proven { peer, .. } => {
                channel.close();
                // It has proven itself; whether it hears the goodbye is its own affair.
                let _ = send(stream, &mut channel).await;
                return if peer == node { Ok(()) } else { Err(ChannelError::WrongKey.into()) };
            }
            ChannelEvent::Plaintext => {}
            ChannelEvent::Closed => return Err(Unproven::Ended),
            ChannelEvent::Starved => {
                let len = stream.read(channel.space()).await?;
                heard += len;
                if len == 0 || heard > HANDSHAKE_MAX {
                    return Err(Unproven::Ended);
                }
                channel.filled(len);
            }
        }
    }
}

async fn send(stream: &mut TcpStream, channel: &mut impl Channel) -> io::Result<()> {
    while !channel.outgoing().is_empty() {
        let len = channel.outgoing().len();
        stream.write_all(channel.outgoing()).await?;
        channel.taken(len);
    }
    Ok(())
}
