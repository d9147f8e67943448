//! Events in words: sentences for standard error, the product for standard output.

use std::time::Duration;

use truecopy_mio::prepare::WhyDropped;

use super::event::{
    Conflict, Contents, Difference, Event, Gone, HalfDone, Holding, KeptShare, Link, Listed, Moved, Placed,
    Reading, RecordingEnd, Replayed, Sent, Stage, Unlike, Waiting,
};
use super::rate::Rate;
use crate::escape::Shown;

/// Bytes in words: `3.1 GiB`.
pub fn amount(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // Rounding to one digit must not give `1024.0`.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number of things: `1 file`, `1,204 files`.
pub fn count(number: u64, thing: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{text} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A time: `14s`, `3m05s`, `2h07m`, `4d03h`.
pub fn time(time: Duration) -> String {
    let s = time.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m{:02}s", s / 60, s % 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d{:02}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// What is worth a line of its own, for people; without the line's end.
pub(super) fn sentence(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::Share { stage: Stage::Prepared, contents } => format!("prepared {}", share(contents)),
        Event::Share { stage: Stage::Offered, contents } => format!("offered: {}", share(contents)),
        Event::Dropped { path, why } => format!("not sent: {}: {}", Shown::name(path), why_dropped(*why)),
        Event::Ticket { ticket } => {
            format!("on the other machine, type:\n\n  truecopy get {}\n", shown(ticket))
        }
        Event::ShareLink { link } => format!(
            "whoever has this link can fetch the content while somebody serves it:\n\n  truecopy get {}\n",
            shown(link)
        ),
        Event::Listening { address } => format!("listening on {}", shown(address)),
        Event::Written { path, bytes } => format!("wrote {} ({})", Shown::path(path), amount(*bytes)),
        Event::Waiting(waiting) => wait(waiting),
        Event::Connected(link) => format!("connected: {}", peer(link)),
        Event::Disconnected { link, why } => format!("{}: {}", gone(why), peer(link)),
        Event::Resumed { verified, total } => {
            format!("resuming: {} of {} are verified already", amount(*verified), amount(*total))
        }
        Event::Limits { up, down } => {
            let rate = |rate: &Option<u64>| {
                rate.map_or_else(|| "no limit".into(), |rate| format!("{}/s", amount(rate)))
            };
            format!("limits: up {}, down {}", rate(up), rate(down))
        }
        Event::Conflict { path, what } => conflict(path, what),
        Event::Skipped { path, why } => format!("left out: {}: {}", Shown::name(path), shown(why)),
        Event::Receipt { node, address, placed: p } => {
            format!("verified by {} at {}: {}", short(node), shown(address), placed(p))
        }
        Event::Done { placed: p, content, path } => {
            format!("verified {}, root {}… → {}", placed(p), short(content), Shown::path(path))
        }
        Event::Verified { files, bytes, differences, content } => {
            let whole = format!("{}, {}, root {}…", count(*files, "file"), amount(*bytes), short(content));
            match differences {
                0 => format!("verified {whole}: no difference"),
                n => format!("{} ({whole})", count(*n, "difference")),
            }
        }
        Event::Removed(it) => format!("removed {}", half_done(it)),
        Event::Note { text } => {
            text.lines().map(|line| shown(line).to_string()).collect::<Vec<_>>().join("\n")
        }
        Event::Warning { text } => format!("note: {}", shown(text)),
        Event::Forgotten(it) => format!("forgot {}", Shown::name(it.name)),
        Event::Reading(_)
        | Event::Moving(_)
        | Event::Sent(_)
        | Event::Given { .. }
        | Event::Peers(_)
        | Event::Map { .. }
        | Event::Kept(_)
        | Event::Share { stage: Stage::Listed, .. }
        | Event::Entry { .. }
        | Event::TicketNames { .. }
        | Event::LinkNames { .. }
        | Event::HalfDone(_)
        | Event::Differs { .. }
        | Event::Replayed(_)
        | Event::Digest(_) => return None,
    })
}

/// A line each.
fn lines(name: &str, texts: &[String]) -> String {
    texts.iter().map(|text| format!("{name} {}\n", shown(text))).collect()
}

/// What standard output is for, when something else than a terminal reads it.
pub(super) fn product(event: &Event<'_>) -> Option<Vec<u8>> {
    match event {
        Event::Digest(digest) => Some(sha256sum_line(digest.path, digest.sha256)),
        other => product_shown(other),
    }
}

/// What standard output is for, safe to be shown.
pub(super) fn product_shown(event: &Event<'_>) -> Option<Vec<u8>> {
    let text = match event {
        Event::Ticket { ticket } => format!("{}\n", shown(ticket)),
        Event::Share { stage: Stage::Listed, contents } => listing_head(contents),
        Event::Entry { path, what } => listing_line(path, what),
        Event::ShareLink { link } => format!("{}\n", shown(link)),
        Event::TicketNames { content, node, addresses, trackers } => {
            let addresses = lines("address ", addresses);
            format!("content  {content}\nsender   {node}\n{addresses}{}", lines("tracker ", trackers))
        }
        Event::LinkNames { content, access, trackers } => {
            format!("content  {content}\naccess   {}\n{}", access.word(), lines("tracker ", trackers))
        }
        Event::HalfDone(it) => format!("{}\n", half_done(it)),
        Event::Replayed(it) => replayed(it),
        Event::Kept(it) => kept(it),
        Event::Differs { path, how } => format!("{}: {}\n", Shown::name(path), difference(how)),
        Event::Digest(digest) => format!("{}  {}\n", digest.sha256, Shown::name(digest.path)),
        _ => return None,
    };
    Some(text.into_bytes())
}

/// The live line of something that moves: none for all other events.
pub(super) fn progress(event: &Event<'_>, rate: &Rate, limit: Option<u64>) -> Option<String> {
    let (mut text, left) = match event {
        Event::Reading(Reading { progress: p }) => {
            let (done, total) = (p.bytes_done, p.bytes_total);
            let head = format!("preparing {}  {}% ", count(p.entries, "file"), percent(done, total));
            (format!("{head} {} ", fraction(done, total)), total.saturating_sub(done))
        }
        Event::Moving(Moved { name, verified, total, .. }) => {
            let head = format!("{}  {}% verified", Shown::name(name), percent(*verified, *total));
            (format!("{head} {} ", fraction(*verified, *total)), total.saturating_sub(*verified))
        }
        Event::Sent(Sent { name, all, receivers: receivers @ 2.., .. }) => {
            let receivers = count(u64::from(*receivers), "receiver");
            (format!("{}  {receivers}  {} sent ", Shown::name(name), amount(*all)), 0)
        }
        Event::Given { name, all, .. } => (format!("{}  {} given ", Shown::name(name), amount(*all)), 0),
        Event::Sent(Sent { name, bytes, total, .. }) => {
            let head = format!("{}  {}% sent", Shown::name(name), percent(*bytes, *total));
            (format!("{head} {} ", fraction(*bytes, *total)), total.saturating_sub(*bytes))
        }
        _ => return None,
    };
    if let Some(rate) = rate.per_second() {
        text.push_str(&format!(" {}/s", amount(rate)));
    }
    if let Some(limit) = limit {
        text.push_str(&format!(" (limit {}/s)", amount(limit)));
    }
    if left > 0
        && let Some(eta) = rate.eta(left)
    {
        text.push_str(&format!("  eta {}", time(eta)));
    }
    if let Event::Sent(Sent { link, receivers: 0..2, .. }) = event {
        text.push_str(&format!("  to {} {}", shown(link.path), shown(link.address)));
    }
    if let Event::Moving(Moved { link, peers, .. }) = event {
        match link {
            Some(link) => text.push_str(&format!("  {} {}", shown(link.path), shown(link.address))),
            None => text.push_str(&format!("  {}", count(u64::from(*peers), "peer"))),
        }
    }
    Some(text)
}

/// A whole line of `sha256sum`: names are exact, with its own escapes for those that would break a line.
fn sha256sum_line(path: &[u8], digest: &str) -> Vec<u8> {
    let mut line = Vec::with_capacity(digest.len() + path.len() + 4);
    if path.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r')) {
        line.push(b'\\');
    }
    line.extend_from_slice(digest.as_bytes());
    line.extend_from_slice(b"  ");
    for byte in path {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            other => line.push(*other),
        }
    }
    line.push(b'\n');
    line
}

fn share(contents: &Contents<'_>) -> String {
    let mut text = Shown::name(contents.name).to_string();
    text.push_str(&format!(": {}, {}", count(contents.files, "file"), amount(contents.bytes)));
    if contents.entries > contents.files {
        text.push_str(&match contents.entries - contents.files {
            1 => ", 1 link or empty folder".to_owned(),
            more => format!(", {more} links and empty folders"),
        });
    }
    text
}

fn listing_head(contents: &Contents<'_>) -> String {
    let mut text = format!("name     {}\n", Shown::name(contents.name));
    text.push_str(&format!("content  {}\n", contents.content));
    text.push_str(&format!("size     {} ({} bytes)\n", amount(contents.bytes), contents.bytes));
    text.push_str(&format!("files    {}\n", contents.files));
    text.push_str(&format!("entries  {}\n", contents.entries));
    text.push_str(&format!("chunk    {}\n\n", amount(contents.chunk)));
    text
}

fn listing_line(path: &[u8], what: &Listed<'_>) -> String {
    let path = Shown::name(path);
    match what {
        Listed::File { size, root, mode } => format!("{root}  {mode:03o}  {size:>14}  {path}\n"),
        Listed::Folder => format!("{:64}  {:3}  {:>14}  {path}/\n", "folder", "", ""),
        Listed::Symlink { target } => {
            format!("{:64}  {:3}  {:>14}  {path} -> {}\n", "link", "", "", Shown::name(target))
        }
    }
}

fn why_dropped(why: WhyDropped) -> &'static str {
    match why {
        WhyDropped::Device => "a device",
        WhyDropped::Pipe => "a named pipe",
        WhyDropped::Socket => "a socket",
        WhyDropped::LinkLeadsOut => "a link that leads out of the folder",
        WhyDropped::LinkUnwanted => "a link (--links skip)",
        WhyDropped::SpecialBits => "its setuid, setgid or sticky bit (the file is sent without)",
    }
}

fn wait(waiting: &Waiting<'_>) -> String {
    match waiting {
        Waiting::Receivers => "waiting for a receiver".into(),
        Waiting::Connecting { address } => format!("waiting for an answer from {}", shown(address)),
        Waiting::Retrying { why, next } => {
            format!("{}: trying again in {}", shown(why), time(whole_seconds(*next)))
        }
        Waiting::Preparing { percent } => format!("waiting for the sender, which is preparing: {percent}%"),
        Waiting::PausedThere => "waiting: the other side is paused".into(),
        Waiting::PausedHere => "paused here: press r, or send SIGUSR1, to go on".into(),
        Waiting::Rechecking => "waiting: checking what an earlier run left".into(),
        Waiting::Disk => "all is verified; waiting for the disk".into(),
        Waiting::Held { process: Some(process) } => {
            format!("waiting: process {process} holds this share at this place")
        }
        Waiting::Held { process: None } => "waiting: another process holds this share at this place".into(),
        Waiting::Decision => "waiting for your decision".into(),
        Waiting::Manifest => "waiting for the list of files".into(),
        Waiting::Comparing => "waiting: comparing what is here already".into(),
        Waiting::Resumed => "the other side goes on".into(),
    }
}

/// Rounded up: nobody waits for no time.
const fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + if time.subsec_nanos() > 0 { 1 } else { 0 })
}

fn peer(link: &Link<'_>) -> String {
    format!("{} at {} {}", short(link.node), shown(link.path), shown(link.address))
}

fn gone(why: &Gone<'_>) -> String {
    match why {
        Gone::Finished => "finished".into(),
        Gone::Goodbye { why } => format!("ended ({})", shown(why)),
        Gone::Lost { why } => format!("lost ({})", shown(why)),
    }
}

fn conflict(path: &[u8], what: &Conflict<'_>) -> String {
    let path = Shown::name(path);
    match what {
        Conflict::Taken { why } => format!("the name is taken: {path}: {}", shown(why)),
        Conflict::AlreadyHere => format!("already here, verified: {path}"),
        Conflict::Skipped => format!("left out, the name is taken: {path}"),
        Conflict::Renamed { to } => format!("the name is taken: {path} → {}", Shown::name(to)),
        Conflict::Replaced => format!("replaced: {path}"),
    }
}

fn placed(placed: &Placed) -> String {
    let mut text = format!("{}, {}", count(placed.files + placed.already, "file"), amount(placed.bytes));
    if placed.already > 0 {
        text.push_str(&format!(", {} of them already here", placed.already));
    }
    if placed.skipped > 0 {
        text.push_str(&format!(", {} left out", placed.skipped));
    }
    text
}

/// How something differs, in words.
pub fn difference(how: &Difference<'_>) -> String {
    match how {
        Difference::Missing => "missing".into(),
        Difference::Extra => "not in the metadata file".into(),
        Difference::OtherKind => "is something else (file, folder or link)".into(),
        Difference::OtherTarget => "the link points elsewhere".into(),
        Difference::Unreadable { why } => format!("cannot be read: {}", shown(why)),
        Difference::Content { expected, found, ranges } => {
            let ranges: Vec<String> = ranges.iter().map(|r| format!("{}-{}", r.start, r.end - 1)).collect();
            let mut text = format!("differs in bytes {}", ranges.join(", "));
            if found != expected {
                text.push_str(&format!(" (has {found} bytes, should have {expected})"));
            }
            text
        }
    }
}

fn half_done(it: &HalfDone<'_>) -> String {
    let name = it.name.map_or_else(|| "a share of unknown name".into(), |name| Shown::name(name).to_string());
    // Without a total nothing is verified.
    let percent = if it.total == 0 { 0 } else { percent(it.verified, it.total) };
    let mut text = format!("{name}: {percent}% verified, {}", fraction(it.verified, it.total));
    match it.held {
        Holding::Free => {}
        Holding::Held { process: Some(process) } => text.push_str(&format!(", in use by process {process}")),
        Holding::Held { process: None } => text.push_str(", in use"),
    }
    format!("{text}  ({})", Shown::name(it.folder))
}

fn kept(it: &KeptShare<'_>) -> String {
    let (name, folder) = (Shown::name(it.name), Shown::path(it.folder));
    let holds = format!("{}, {}", count(it.files, "file"), amount(it.bytes));
    format!("{name}: {holds}, root {}… ← {folder}\n", short(it.content))
}

fn replayed(it: &Replayed<'_>) -> String {
    let seconds = |millis: u64| format!("{}.{:03} s", millis / 1000, millis % 1000);
    let mut text = match it.unlike {
        None => format!("same: {} over {}\n", count(it.inputs, "input"), seconds(it.lasted)),
        Some(Unlike { input, at, what, recorded, replayed }) => format!(
            "different: at input {input}, after {}\n  input:    {}\n  recorded: {}\n  replayed: {}\n",
            seconds(at),
            shown(what),
            shown(recorded),
            shown(replayed)
        ),
    };
    match it.end {
        None | Some(RecordingEnd::Finished) => {}
        Some(RecordingEnd::CutOff) => text.push_str("the recording is cut off there\n"),
        Some(RecordingEnd::Damaged) => text.push_str("the recording is damaged from there on\n"),
    }
    let calls = (count(it.streams, "stream call"), count(it.disks, "disk call"));
    text.push_str(&format!(
        "beside it: {}, {}; recorded by version {}\n",
        calls.0,
        calls.1,
        shown(it.program)
    ));
    text
}

fn fraction(done: u64, total: u64) -> String {
    let (done, total) = (amount(done.min(total)), amount(total));
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((value, unit)), Some((_, same))) if unit == same => format!("{value}/{total}"),
        _ => format!("{done}/{total}"),
    }
}

/// Rounded down: 100 only when all is there.
pub(super) fn percent(done: u64, total: u64) -> u64 {
    if total == 0 {
        100
    } else {
        u64::try_from(u128::from(done.min(total)) * 100 / u128::from(total)).unwrap_or(100)
    }
}

fn short(hex: &str) -> &str {
    hex.get(..16).unwrap_or(hex)
}

pub(super) fn shown(text: &str) -> Shown {
    Shown::terminal(text.as_bytes())
}
