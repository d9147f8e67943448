//! What the fuzz targets see of the interface: how it reads what comes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use truecopy_protocol::Candidate;

use super::{announce, plain, scrape, source};
use crate::tracker::Announce;

/// The body of an announce, and the second address in it.
pub(crate) fn parse(body: &[u8]) -> Result<(Announce, Option<SocketAddr>), String> {
    announce::parse(body).map(|request| (request.announce, request.second))
}

/// Where a request came from, if the proxy 10.0.0.1, which is trusted alone, forwards it with this header.
pub(crate) fn forwarded(header: &[u8]) -> Option<IpAddr> {
    let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let trusted = ["10.0.0.1".parse().ok()?];
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", HeaderValue::from_bytes(header).ok()?);
    source::observe(proxy, &headers, &trusted).ok()
}

/// The body of a registration.
pub(crate) fn register(body: &[u8]) -> Option<Candidate> {
    plain::parse(body).ok()
}

/// The share that a query asks for.
pub(crate) fn scrape(query: &str) -> Option<[u8; 32]> {
    scrape::wanted(query)
}
