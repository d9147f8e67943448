//! SHA-256 (FIPS 180-4) of sixteen messages of one length, side by side: word `n` of the state of message `m` is lane
//! `m` of vector `n`.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32, _mm512_set4_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_storeu_si512,
    _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};
use std::array;

use super::LEAF;

/// Messages at a time.
pub(super) const LANES: usize = 16;
/// Bytes that are compressed at a time.
const CHUNK: usize = 64;

/// FIPS 180-4 §5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// FIPS 180-4 §4.2.2.
const ROUND: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

type State = [__m512i; 8];
/// Sixteen words of each message; or, before they are transposed, a chunk of each.
type Words = [__m512i; 16];

/// That this processor has AVX-512 with words of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sixteen(());

impl Sixteen {
    /// Looks at the processor: cheap, for the answer is remembered.
    pub(super) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        has.then_some(Self(()))
    }

    /// The hashes of these messages.
    pub(super) fn hash(self, messages: &[&[u8; LEAF]; LANES]) -> [[u8; 32]; LANES] {
        // SAFETY: there is a `Sixteen` only where the features are that the function needs.
        unsafe { hash(messages) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn hash(messages: &[&[u8; LEAF]; LANES]) -> [[u8; 32]; LANES] {
    let mut state: State = INITIAL.map(|word| all(word));
    for at in (0..LEAF).step_by(CHUNK) {
        let chunks = array::from_fn(|lane| load(messages[lane], at));
        compress(&mut state, transpose(chunks));
    }
    compress(&mut state, padding());
    let mut rows: Words = [_mm512_setzero_si512(); 16];
    rows[..8].copy_from_slice(&state);
    transpose(rows).map(|row| {
        let mut hash = [0; 32];
        hash.copy_from_slice(&store(swapped(row))[..32]);
        hash
    })
}

/// What follows the bytes of a leaf: a one, zeros, and the number of bits.
#[target_feature(enable = "avx512f")]
fn padding() -> Words {
    let mut words = [_mm512_setzero_si512(); 16];
    words[0] = all(1 << 31);
    words[15] = all(8 * LEAF as u32);
    words
}

#[target_feature(enable = "avx512f")]
fn all(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

/// A chunk of a message, its words in the order of this processor's bytes.
#[target_feature(enable = "avx512f,avx512bw")]
fn load(message: &[u8; LEAF], at: usize) -> __m512i {
    let chunk: &[u8] = &message[at..at + CHUNK];
    // SAFETY: the slice has 64 bytes, and any address will do.
    swapped(unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) })
}

#[target_feature(enable = "avx512f")]
fn store(row: __m512i) -> [u8; CHUNK] {
    let mut bytes = [0; CHUNK];
    // SAFETY: the array has 64 bytes, and any address will do.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), row) };
    bytes
}

/// The bytes of each word in the other order.
#[target_feature(enable = "avx512f,avx512bw")]
fn swapped(words: __m512i) -> __m512i {
    _mm512_shuffle_epi8(words, _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203))
}

/// Rows to columns: word `n` of row `m` is word `m` of row `n` then.
#[target_feature(enable = "avx512f")]
fn transpose(rows: Words) -> Words {
    // Four rows become, in each quarter of a register, one column of the four: `fours[4 * group + column % 4]`.
    let mut fours = [_mm512_setzero_si512(); 16];
    for group in (0..16).step_by(4) {
        let low = |at: usize| _mm512_unpacklo_epi32(rows[group + at], rows[group + at + 1]);
        let high = |at: usize| _mm512_unpackhi_epi32(rows[group + at], rows[group + at + 1]);
        fours[group] = _mm512_unpacklo_epi64(low(0), low(2));
        fours[group + 1] = _mm512_unpackhi_epi64(low(0), low(2));
        fours[group + 2] = _mm512_unpacklo_epi64(high(0), high(2));
        fours[group + 3] = _mm512_unpackhi_epi64(high(0), high(2));
    }
    let mut columns = rows;
    for of in 0..4 {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        let (first, second) = (fours[of], fours[4 + of]);
        let (third, fourth) = (fours[8 + of], fours[12 + of]);
        let (even, odd) =
            (_mm512_shuffle_i32x4::<EVEN>(first, second), _mm512_shuffle_i32x4::<ODD>(first, second));
        let (evens, odds) =
            (_mm512_shuffle_i32x4::<EVEN>(third, fourth), _mm512_shuffle_i32x4::<ODD>(third, fourth));
        columns[of] = _mm512_shuffle_i32x4::<EVEN>(even, evens);
        columns[4 + of] = _mm512_shuffle_i32x4::<EVEN>(odd, odds);
        columns[8 + of] = _mm512_shuffle_i32x4::<ODD>(even, evens);
        columns[12 + of] = _mm512_shuffle_i32x4::<ODD>(odd, odds);
    }
    columns
}

/// One round: of the eight words two change, and all have other names afterwards.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $word:expr, $constant:expr) => {
        let choice = _mm512_ternarylogic_epi32::<0xca>($e, $f, $g);
        let first = add(add(add($h, big_sigma_1($e)), add(choice, all($constant))), $word);
        let majority = _mm512_ternarylogic_epi32::<0xe8>($a, $b, $c);
        $d = add($d, first);
        $h = add(first, add(big_sigma_0($a), majority));
    };
}

/// FIPS 180-4 §6.2.2, for a chunk of each message.
#[target_feature(enable = "avx512f")]
fn compress(state: &mut State, mut w: Words) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (number, k) in ROUND.as_chunks::<16>().0.iter().enumerate() {
        if number > 0 {
            schedule(&mut w);
        }
        round!(a b c d e f g h, w[0], k[0]);
        round!(h a b c d e f g, w[1], k[1]);
        round!(g h a b c d e f, w[2], k[2]);
        round!(f g h a b c d e, w[3], k[3]);
        round!(e f g h a b c d, w[4], k[4]);
        round!(d e f g h a b c, w[5], k[5]);
        round!(c d e f g h a b, w[6], k[6]);
        round!(b c d e f g h a, w[7], k[7]);
        round!(a b c d e f g h, w[8], k[8]);
        round!(h a b c d e f g, w[9], k[9]);
        round!(g h a b c d e f, w[10], k[10]);
        round!(f g h a b c d e, w[11], k[11]);
        round!(e f g h a b c d, w[12], k[12]);
        round!(d e f g h a b c, w[13], k[13]);
        round!(c d e f g h a b, w[14], k[14]);
        round!(b c d e f g h a, w[15], k[15]);
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old = add(*old, new);
    }
}

/// The next sixteen words of the message schedule.
#[target_feature(enable = "avx512f")]
fn schedule(w: &mut Words) {
    for at in 0..16 {
        let (next, late) = (w[(at + 1) % 16], w[(at + 14) % 16]);
        w[at] = add(add(w[at], small_sigma_0(next)), add(w[(at + 9) % 16], small_sigma_1(late)));
    }
}

#[target_feature(enable = "avx512f")]
fn add(one: __m512i, other: __m512i) -> __m512i {
    _mm512_add_epi32(one, other)
}

#[target_feature(enable = "avx512f")]
fn xor(one: __m512i, two: __m512i, three: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0x96>(one, two, three)
}

#[target_feature(enable = "avx512f")]
fn big_sigma_0(x: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<2>(x), _mm512_ror_epi32::<13>(x), _mm512_ror_epi32::<22>(x))
}

#[target_feature(enable = "avx512f")]
fn big_sigma_1(x: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<6>(x), _mm512_ror_epi32::<11>(x), _mm512_ror_epi32::<25>(x))
}

#[target_feature(enable = "avx512f")]
fn small_sigma_0(x: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<7>(x), _mm512_ror_epi32::<18>(x), _mm512_srli_epi32::<3>(x))
}

#[target_feature(enable = "avx512f")]
fn small_sigma_1(x: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<17>(x), _mm512_ror_epi32::<19>(x), _mm512_srli_epi32::<10>(x))
}
