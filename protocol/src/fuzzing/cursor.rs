//! Decisions read from bytes: what is missing at the end is zero, so that any bytes decide something.

/// A reader over the bytes of a fuzz input.
#[derive(Clone, Debug)]
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Reads these bytes from the front.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// At most `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        front
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let (mut array, bytes) = ([0; N], self.bytes(N));
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }

    /// A byte.
    pub fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// A byte's decision between numbers below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.u8()) % bound
    }

    /// Whether a decision of one in `of` falls so. An input at its end decides against it.
    pub fn one_in(&mut self, of: u8) -> bool {
        self.u8() % of == of - 1
    }

    /// A number: mostly small, sometimes beside a power of two, sometimes any.
    pub fn number(&mut self) -> u64 {
        match self.u8() {
            small @ 0..0xc0 => u64::from(small),
            power @ 0xc0..=0xfe => (1_u64 << (power & 63)).wrapping_add(u64::from(self.u8())).wrapping_sub(2),
            _ => u64::from_le_bytes(self.array()),
        }
    }

    /// The same in 32 bits.
    pub fn number32(&mut self) -> u32 {
        // What is cut off is part of the game.
        self.number() as u32
    }

    /// 32 bytes that mean nothing: a byte's worth of them.
    pub fn name32(&mut self) -> [u8; 32] {
        [self.u8(); 32]
    }
}
