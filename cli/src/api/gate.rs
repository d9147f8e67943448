//! Who may ask: whoever shows the token, by a name of this machine, and no page of a browser.
//!
//! A page can make a browser ask here, but not under another `Host` than the name that led here (so a name that a stranger
//! rebinds to loopback is told by it), not without its `Origin` when it may read the answer, and never with the token.

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use truecopy_protocol::NodeId;
use truecopy_protocol::content::identity::same;

use crate::engine::nodes::parse_key;

/// The token, and the names of this API.
pub(super) struct Gate {
    token: [u8; 32],
    hosts: Vec<String>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Host,
    Origin,
    Token,
}

impl Gate {
    pub(super) const fn new(token: [u8; 32], hosts: Vec<String>) -> Self {
        Self { token, hosts }
    }

    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| {
            let mut all = headers.get_all(name).iter();
            let first = all.next().map(|value| value.to_str().unwrap_or_default());
            // Twice is once too often.
            if all.next().is_some() { Some("") } else { first }
        };
        let host = text(HOST).unwrap_or_default();
        if !self.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) {
            return Err(Refusal::Host);
        }
        if text(ORIGIN).is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
            return Err(Refusal::Origin);
        }
        let shown = text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).and_then(read_token);
        match shown {
            Some(token) if same(&token, &self.token) => Ok(()),
            _ => Err(Refusal::Token),
        }
    }
}

/// A token of 64 hexadecimal digits.
pub(super) fn read_token(text: &str) -> Option<[u8; 32]> {
    parse_key(text).map(|NodeId(token)| token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn admits(headers: &[(HeaderName, &'static str)]) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        Gate::new([0xab; 32], vec!["localhost:7".into(), "127.0.0.1:7".into()]).admit(&map)
    }

    const TOKEN: &str = "Bearer abababababababababababababababababababababababababababababababab";

    #[test]
    fn only_the_token_under_a_name_of_this_machine_is_admitted() {
        let (host, token) = ((HOST, "LocalHost:7"), (AUTHORIZATION, TOKEN));
        assert_eq!(admits(&[host.clone(), token.clone()]), Ok(()));
        assert_eq!(admits(&[(HOST, "localhost:7"), (ORIGIN, "http://localhost:7"), token.clone()]), Ok(()));
        for refused in ["localhost", "evil.example:7", "127.0.0.1:8", "127.0.0.1:7.evil.example", ""] {
            assert_eq!(admits(&[(HOST, refused), token.clone()]), Err(Refusal::Host), "{refused}");
        }
        assert_eq!(admits(std::slice::from_ref(&token)), Err(Refusal::Host));
        assert_eq!(admits(&[host.clone(), (HOST, "localhost:7"), token.clone()]), Err(Refusal::Host));
        for origin in ["http://evil.example", "null", "https://localhost:7", "http://127.0.0.1:7", ""] {
            let headers = [(HOST, "localhost:7"), (ORIGIN, origin), token.clone()];
            assert_eq!(admits(&headers), Err(Refusal::Origin), "{origin}");
        }
        for wrong in ["Bearer ", "Bearer abab", "Basic abab", TOKEN.strip_prefix("Bearer ").unwrap_or("")] {
            assert_eq!(admits(&[host.clone(), (AUTHORIZATION, wrong)]), Err(Refusal::Token), "{wrong}");
        }
        let other = "Bearer abababababababababababababababababababababababababababababababac";
        assert_eq!(admits(&[host.clone(), (AUTHORIZATION, other)]), Err(Refusal::Token));
        assert_eq!(admits(&[host, token.clone(), token]), Err(Refusal::Token));
    }
}
