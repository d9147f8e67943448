//! Seeded draws, one keyed sequence for each knob: removing a fault shifts no other draw.

/// A sequence of draws (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed` for one use of it.
    pub fn new(seed: u64, domain: &str) -> Self {
        let mut key = seed ^ 0x9e37_79b9_7f4a_7c15;
        for byte in domain.bytes() {
            key = (key ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut random = Self(key);
        random.draw();
        random
    }

    /// The next draw.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A draw below `limit`; 0 for a limit of 0.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { (self.draw() % limit as u64) as usize }
    }

    /// Whether a thing happens that happens `permille` times in a thousand.
    pub fn happens(&mut self, permille: u16) -> bool {
        permille > 0 && self.draw() % 1000 < u64::from(permille)
    }
}
