use super::*;

fn word(what: &str) -> Word {
    Word { to: "böb".into(), what: what.into() }
}

fn say(unheard: &mut Unheard, what: &str) -> u64 {
    unheard.said(None, word(what), Keeping::Word)
}

/// What the next run would be left.
fn left(path: &Path) -> Vec<String> {
    let left = read(path).unwrap();
    assert!(!left.is_cut);
    left.words.into_values().map(|word| word.what).collect()
}

fn start(path: &Path) -> Unheard {
    let mut unheard = Unheard::at(path.to_owned(), &read(path).unwrap());
    unheard.write().unwrap();
    unheard
}

#[test]
fn what_was_said_is_left_to_the_next_run_until_its_end_was_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/unheard");
    let mut unheard = start(&path);
    let (one, two) = (say(&mut unheard, "one"), say(&mut unheard, "two"));
    unheard.said(None, word("an answer"), Keeping::Nothing);
    unheard.write().unwrap();
    assert_eq!(left(&path), ["one", "two"]);
    assert_eq!(unheard.answered(one), Some(word("one")));
    unheard.write().unwrap();
    assert_eq!(left(&path), ["one", "two"], "nobody was told yet");
    unheard.told(one);
    unheard.write().unwrap();
    assert_eq!(left(&path), ["two"]);
    // Another run tells of it, and gives no tag again.
    let mut again = start(&path);
    assert!(again.is_empty(), "nothing is waited for");
    assert!(say(&mut again, "three") > two);
    again.told(two);
    again.write().unwrap();
    assert_eq!(left(&path), ["three"]);
}

#[test]
fn what_is_over_is_left_out_and_what_is_not_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unheard");
    let mut unheard = start(&path);
    say(&mut unheard, "stays");
    let long = "x".repeat(16_384);
    for _ in 0..400 {
        let tag = say(&mut unheard, &long);
        unheard.done(tag);
        unheard.write().unwrap();
    }
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 2 * OVER_MAX, "{size}: of 6 MiB that were said");
    assert_eq!(left(&path), ["stays"]);
}

#[test]
fn a_record_that_was_cut_off_costs_what_follows_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unheard");
    let mut unheard = start(&path);
    say(&mut unheard, "one");
    say(&mut unheard, "two");
    unheard.write().unwrap();
    let whole = fs::read(&path).unwrap();
    let record = (whole.len() - MAGIC.len()) / 2;
    for cut in 1..=record {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        let left = read(&path).unwrap();
        let words: Vec<_> = left.words.into_values().collect();
        assert_eq!((words, left.is_cut), (vec![word("one")], cut < record), "{cut}");
    }
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    fs::write(&path, flipped).unwrap();
    assert!(read(&path).unwrap().is_cut);
    fs::write(&path, b"something else").unwrap();
    assert!(read(&path).is_err(), "a file of another kind is not taken for an empty one");
}

#[test]
fn what_could_not_be_written_is_written_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/unheard");
    let mut unheard = start(&path);
    say(&mut unheard, "one");
    unheard.write().unwrap();
    // As after an error: whatever is there, it is written anew and whole.
    unheard.book.as_mut().unwrap().file = Some(File::open(&path).unwrap());
    say(&mut unheard, "two");
    assert!(unheard.write().is_err(), "it is open for reading alone");
    unheard.write().unwrap();
    assert_eq!(left(&path), ["one", "two"]);
}
