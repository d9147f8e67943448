//! Decoding that accepts one encoding per meaning.
//!
//! `postcard` takes overlong varints and ignores what follows a value. Here a value is encoded again and compared
//! with the bytes it came from, so whatever was decoded can be named by the hash of its bytes. PROTOCOL §3.3.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The bytes are no value of the wanted kind, or not its only encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotCanonical;

/// Decodes one value from the front of `bytes`; also returns what follows it.
pub(super) fn take<'a, T>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), NotCanonical>
where
    T: Deserialize<'a> + Serialize,
{
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|_| NotCanonical)?;
    let used = &bytes[..bytes.len() - rest.len()];
    match postcard::serialize_with_flavor(&value, Same { left: used }) {
        Ok([]) => Ok((value, rest)),
        _ => Err(NotCanonical),
    }
}

/// Decodes a value that is all of `bytes`.
pub(super) fn whole<'a, T>(bytes: &'a [u8]) -> Result<T, NotCanonical>
where
    T: Deserialize<'a> + Serialize,
{
    match take(bytes)? {
        (value, []) => Ok(value),
        _ => Err(NotCanonical),
    }
}

/// An encoder that writes nothing: it fails at the first byte that differs from those it was given.
struct Same<'a> {
    left: &'a [u8],
}

impl<'a> Flavor for Same<'a> {
    type Output = &'a [u8];

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.left = self.left.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<&'a [u8]> {
        Ok(self.left)
    }
}

/// A run of bytes that is encoded at once and decoded without a copy.
#[derive(Clone, Copy)]
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Raw<'de>, E> {
                Ok(Raw(bytes))
            }
        }
        from.deserialize_bytes(Visitor)
    }
}
