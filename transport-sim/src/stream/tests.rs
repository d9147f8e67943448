use super::*;

/// Writes `bytes`, ends the direction, and reads all that comes out at the other end.
fn through(seed: u64, direction: Direction, bytes: &[u8]) -> (Vec<u8>, io::Result<()>, Counts) {
    let (mut a, mut b) = pair(seed, direction, Direction::smooth());
    let (mut sent, mut out, mut ended) = (0, Vec::new(), false);
    let mut buf = [0; 5000];
    loop {
        if sent < bytes.len() {
            match a.write(&bytes[sent..]) {
                Ok(len) => sent += len,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => sent = bytes.len(),
            }
        } else if !ended {
            ended = true;
            let _ = a.shutdown_write();
        }
        match b.read(&mut buf) {
            Ok(0) => return (out, Ok(()), a.counts()),
            Ok(len) => out.extend_from_slice(&buf[..len]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return (out, Err(error), a.counts()),
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    let mut random = Random::new(1, "pattern");
    (0..len).map(|_| random.draw() as u8).collect()
}

#[test]
fn legal_shapes_change_nothing_and_meet_every_trouble() {
    let bytes = pattern(60_000);
    let mut met = Counts::default();
    for seed in 0..300 {
        let (out, end, counts) = through(seed, Shape::seeded(seed).into(), &bytes);
        assert!(end.is_ok() && out == bytes, "seed {seed}");
        met.short_writes += counts.short_writes;
        met.short_reads += counts.short_reads;
        met.spurious += counts.spurious;
        met.full += counts.full;
        met.interrupted += counts.interrupted;
    }
    assert!(
        [met.short_writes, met.short_reads, met.spurious, met.full, met.interrupted].iter().all(|n| *n > 100)
    );
    assert_eq!(through(7, Shape::BYTEWISE.into(), &bytes[..3000]).0, &bytes[..3000]);
}

#[test]
fn equal_seeds_give_equal_runs() {
    let bytes = pattern(20_000);
    for seed in 0..20 {
        let run = || through(seed, Shape::seeded(seed).into(), &bytes).2;
        assert_eq!(run(), run());
    }
}

#[test]
fn each_damage_does_what_its_name_says() {
    let cases = [
        (Damage::Flip { at: 3, mask: 1 }, "0122456789"),
        (Damage::Drop { at: 3, len: 2 }, "01256789"),
        (Damage::Duplicate { at: 3, len: 2 }, "01234 34 56789"),
        (Damage::Swap { at: 3, len: 2 }, "012 56 34 789"),
        (Damage::Insert { at: 3, bytes: b"xy".to_vec() }, "012 xy 3456789"),
    ];
    for (damage, expected) in cases {
        for shape in [Shape::SMOOTH, Shape::BYTEWISE] {
            let direction = Direction::from(shape).damaged(damage.clone());
            let (out, _, counts) = through(0, direction, b"0123456789");
            let expected = expected.replace(' ', "");
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{damage:?}");
            assert_eq!(counts.damages, 1);
        }
    }
}

#[test]
fn an_early_end_gives_exactly_what_came_before() {
    let bytes = pattern(10_000);
    for at in [0, 1, 4999, 9999] {
        let (out, end, _) = through(at, Direction::smooth().broken(Break::Fin { at }), &bytes);
        assert!(end.is_ok() && out == bytes[..at as usize]);
        let reset = Break::Reset { at, eats: Eats::Unread };
        let (out, end, _) = through(at, Direction::from(Shape::BYTEWISE).broken(reset), &bytes);
        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(bytes.starts_with(&out) && out.len() <= at as usize);
    }
}

#[test]
fn dropping_an_end_with_unread_input_eats_what_the_other_has_not_read() {
    let (mut a, mut b) = pair(0, Direction::smooth(), Direction::smooth());
    a.write(b"the last word").unwrap();
    b.write(b"unread").unwrap();
    drop(a);
    assert_eq!(b.read(&mut [0; 20]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let (mut a, mut b) = pair(0, Direction::smooth(), Direction::smooth());
    a.write(b"the last word").unwrap();
    drop(a);
    assert_eq!(b.read(&mut [0; 20]).unwrap(), 13);
    assert_eq!(b.read(&mut [0; 20]).unwrap(), 0);
    let taken = (0..).take_while(|_| b.write(b"x").is_ok()).count();
    assert!((1..=3).contains(&taken), "the answer to the first writes has not come");
    assert_eq!(b.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(b.read(&mut [0; 20]).unwrap(), 0);
}

#[test]
fn a_reset_is_told_once() {
    for seed in 0..4 {
        let (mut a, mut b) = pair(seed, Direction::smooth(), Direction::smooth());
        a.reset(Eats::Unarrived);
        assert_eq!(a.read(&mut [0; 9]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(a.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(a.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(b.write(b"x").unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(b.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(b.read(&mut [0; 9]).unwrap(), 0);
    }
}

#[test]
fn a_cut_that_coarsens_moves_a_long_stream_in_few_calls() {
    let shape = Shape { read: Cut::Coarsening(1), ..Shape::SMOOTH };
    let (mut a, mut b) = pair(0, shape.into(), Direction::smooth());
    assert_eq!(a.write(&pattern(200_000)).unwrap(), 200_000);
    let mut buf = [0; 300_000];
    let first: usize = (0..100).map(|_| b.read(&mut buf).unwrap()).sum();
    assert_eq!(first, 100, "it begins finely");
    let rest = (0..).take_while(|_| b.read(&mut buf).is_ok()).count();
    assert!(rest < 6_000, "{rest} calls");
}

#[test]
fn commanded_bytes_arrive_only_when_told() {
    let shape = Shape { arrival: Arrival::Commanded, ..Shape::SMOOTH };
    let (mut a, mut b) = pair(0, shape.into(), Direction::smooth());
    a.write(b"12345").unwrap();
    let mut buf = [0; 9];
    assert_eq!(b.read(&mut buf).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!((b.arrive(2), b.under_way()), (2, 3));
    assert_eq!(b.read(&mut buf).unwrap(), 2);
}

#[test]
fn a_full_window_blocks_the_writer() {
    let shape = Shape { window: 10, ..Shape::SMOOTH };
    let (mut a, mut b) = pair(0, shape.into(), Direction::smooth());
    assert_eq!(a.write(&[1; 20]).unwrap(), 10);
    assert_eq!(a.write(&[1; 20]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(b.read(&mut [0; 4]).unwrap(), 4);
    assert_eq!(a.write(&[1; 20]).unwrap(), 4);
}
