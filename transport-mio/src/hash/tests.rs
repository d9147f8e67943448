use super::*;

/// Bytes that look random.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn hashed(hasher: &dyn LeafHasher, bytes: &[u8]) -> Vec<Hash> {
    let mut leaves = vec![Hash([9; 32])];
    hasher.leaves(bytes, &mut leaves);
    leaves
}

#[test]
fn hashes_are_the_same_however_many_leaves_there_are_and_wherever_they_lie() {
    let all = bytes(40 * LEAF + 7, 1);
    for leaves in 0..=36 {
        for (start, more) in [(0, 0), (1, 1), (3, LEAF - 1), (7, 100)] {
            let part = &all[start..start + leaves * LEAF + more];
            assert_eq!(hashed(&AtOnce, part), hashed(&OneByOne, part), "{leaves} from {start} and {more}");
        }
    }
}

#[test]
fn every_lane_and_every_byte_counts() {
    let mut all = bytes(16 * LEAF, 2);
    let before = hashed(&AtOnce, &all);
    for lane in 0..16 {
        let at = lane * LEAF + (lane * 1_021) % LEAF;
        all[at] ^= 1 << (lane % 8);
        let after = hashed(&AtOnce, &all);
        let changed: Vec<usize> = (0..17).filter(|place| before[*place] != after[*place]).collect();
        assert_eq!(changed, [lane + 1]);
        assert_eq!(after, hashed(&OneByOne, &all));
        all[at] ^= 1 << (lane % 8);
    }
}

/// Bytes of known hashes, each in a lane of its own.
#[test]
fn extremes_are_hashed_as_elsewhere() {
    for byte in [0x00, 0xff, 0x80, 0x01] {
        let all = vec![byte; 16 * LEAF];
        assert_eq!(hashed(&AtOnce, &all), hashed(&OneByOne, &all));
    }
}
