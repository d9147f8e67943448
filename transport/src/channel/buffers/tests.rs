use super::*;

fn fill(intake: &mut Intake, bytes: &[u8]) {
    intake.space()[..bytes.len()].copy_from_slice(bytes);
    intake.filled(bytes.len());
}

#[test]
fn an_intake_keeps_its_bytes_in_order_through_rests_and_moves() {
    let pool = Pool::default();
    let mut intake = Intake::new(pool.clone());
    let mut next = 0_u8;
    let mut expected = 0_u8;
    for round in 0..2000_usize {
        let len = (round * 7919) % 60_000;
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                next = next.wrapping_add(1);
                next
            })
            .collect();
        if intake.space().len() >= len {
            fill(&mut intake, &bytes);
        } else {
            next = next.wrapping_sub((len % 256) as u8);
        }
        let used = intake.len().min((round * 104_729) % 70_000);
        for byte in &intake.pending()[..used] {
            expected = expected.wrapping_add(1);
            assert_eq!(*byte, expected);
        }
        intake.consume(used);
        if round % 3 == 0 {
            intake.rest();
        }
        assert!(intake.memory() <= BUFFER);
    }
}

#[test]
fn a_resting_intake_holds_only_its_leftover() {
    let pool = Pool::default();
    let mut intake = Intake::new(pool.clone());
    fill(&mut intake, &[1; 1000]);
    assert_eq!(intake.memory(), BUFFER);
    intake.rest();
    assert!(intake.memory() <= 1000);
    assert_eq!(pool.memory(), BUFFER);
    assert_eq!(intake.pending(), &[1; 1000]);
    intake.consume(1000);
    intake.rest();
    assert_eq!(intake.memory(), 0);
}

#[test]
fn an_outbox_lends_its_buffer_only_while_bytes_wait() {
    let pool = Pool::default();
    let mut outbox = Outbox::new(pool.clone());
    assert_eq!(outbox.memory(), 0);
    outbox.space(3)[..3].copy_from_slice(&[1, 2, 3]);
    outbox.filled(3);
    assert_eq!(outbox.memory(), FEW);
    outbox.taken(1);
    outbox.space(FEW)[..2].copy_from_slice(&[4, 5]);
    outbox.filled(2);
    assert_eq!((outbox.outgoing(), outbox.memory()), (&[2, 3, 4, 5][..], BUFFER));
    outbox.taken(4);
    assert_eq!((outbox.memory(), pool.memory()), (0, BUFFER));
}

#[test]
fn an_outbox_grows_past_its_buffer_for_the_channels_own_words() {
    let mut outbox = Outbox::new(Pool::default());
    outbox.space(BUFFER).fill(1);
    outbox.filled(BUFFER);
    assert_eq!(outbox.room(), 0);
    outbox.space(100)[0] = 2;
    outbox.filled(1);
    assert_eq!(outbox.outgoing()[BUFFER], 2);
}

#[test]
fn a_pool_keeps_no_more_than_its_limit() {
    let pool = Pool::default();
    let many: Vec<_> = (0..POOLED_MAX + 5).map(|_| pool.take()).collect();
    for buffer in many {
        pool.give(buffer);
    }
    assert_eq!(pool.memory(), POOLED_MAX * BUFFER);
}

#[test]
fn what_is_dropped_gives_its_buffer_back() {
    let pool = Pool::default();
    let mut intake = Intake::new(pool.clone());
    fill(&mut intake, &[1; 1000]);
    let mut outbox = Outbox::new(pool.clone());
    outbox.space(BUFFER)[0] = 1;
    outbox.filled(1);
    assert_eq!(pool.memory(), 0);
    drop(intake);
    assert_eq!(pool.memory(), BUFFER);
    drop(outbox);
    assert_eq!(pool.memory(), 2 * BUFFER);
}
