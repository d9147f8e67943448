use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Bits;
use crate::rng::Rng;

fn random(rng: &mut Rng, len: u32, count: u64) -> (Bits, BTreeSet<u32>) {
    let (mut bits, mut model) = (Bits::new(len), BTreeSet::new());
    for _ in 0..count {
        let number = rng.below(u64::from(len)) as u32;
        if rng.below(4) == 0 {
            assert_eq!(bits.remove(number), model.remove(&number));
        } else {
            assert_eq!(bits.insert(number), model.insert(number));
        }
    }
    (bits, model)
}

#[test]
fn it_holds_what_a_plain_set_holds() {
    let mut rng = Rng::new([1; 32]);
    for len in [1, 63, 64, 65, 4_096, 4_097, 70_000] {
        let (bits, model) = random(&mut rng, len, 300);
        assert_eq!(bits.count() as usize, model.len());
        assert_eq!(bits.is_full(), model.len() == len as usize);
        let all: Vec<u32> = bits.runs().flat_map(|(first, count)| first..first + count).collect();
        assert_eq!(all, model.iter().copied().collect::<Vec<_>>());
        assert!(!bits.contains(len));
    }
}

#[test]
fn what_two_sets_have_in_common_is_found_from_anywhere() {
    let mut rng = Rng::new([2; 32]);
    for len in [64, 5_000, 300_000] {
        let ((a, of_a), (b, of_b)) = (random(&mut rng, len, 400), random(&mut rng, len, 400));
        let common: BTreeSet<u32> = of_a.intersection(&of_b).copied().collect();
        for _ in 0..200 {
            let from = rng.below(u64::from(len) + 10) as u32;
            assert_eq!(a.next_common(&b, from), common.range(from..).next().copied());
            assert_eq!(a.next(from), of_a.range(from..).next().copied());
        }
    }
}

#[test]
fn numbers_beyond_the_length_are_not_taken() {
    let mut bits = Bits::new(3);
    assert!(!bits.insert(3));
    assert!(!bits.insert(u32::MAX));
    assert!(!bits.contains(64));
}
