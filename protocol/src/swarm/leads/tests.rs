use super::{Bits, Leads};
use crate::rng::Rng;

#[test]
fn what_is_common_is_found_however_the_sets_have_changed() {
    let mut rng = Rng::new([3; 32]);
    for len in [64, 1_000, 300_000] {
        let (mut grows, mut shrinks) = (Bits::new(len), Bits::new(len));
        let (mut leads, mut additions) = (Leads::default(), 0);
        for _ in 0..2_000 {
            let number = rng.below(u64::from(len)) as u32;
            match rng.below(8) {
                0..3 if grows.insert(number) => leads.grown(number),
                3 => additions += u64::from(shrinks.insert(number)),
                4 => drop(shrinks.remove(number)),
                5 => drop(grows.remove(number)),
                _ => {
                    let found = leads.next(&grows, (&shrinks, additions), number);
                    assert_eq!(found, grows.next_common(&shrinks, number));
                }
            }
        }
    }
}

#[test]
fn what_was_looked_at_in_vain_is_not_looked_at_again() {
    let (mut odd, mut even) = (Bits::new(100_000), Bits::new(100_000));
    for number in 0..50_000 {
        odd.insert(2 * number + 1);
        even.insert(2 * number);
    }
    let mut leads = Leads::default();
    assert_eq!(leads.next(&odd, (&even, 0), 0), None);
    assert_eq!(leads.words.count(), 0);
    odd.insert(70_000);
    leads.grown(70_000);
    assert_eq!(leads.words.count(), 1);
    assert_eq!(leads.next(&odd, (&even, 0), 0), Some(70_000));
}
