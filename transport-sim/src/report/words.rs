//! Faults in words.

use crate::plan::{Eating, End, Fault, SleepClock, TrackerTrouble, Way};

/// A direction in words.
fn way(way: Way) -> &'static str {
    match way {
        Way::Down => "to the receiver",
        Way::Up => "to the sender",
    }
}

fn eats(eating: Eating) -> &'static str {
    match eating {
        Eating::UnderWay => "what is under way is lost",
        Eating::Unread => "what was not read is lost too",
    }
}

/// From when to when it holds, in milliseconds; none if it happens at a byte, a call, or for the whole run.
pub fn window(fault: &Fault) -> Option<(u64, u64)> {
    Some(match *fault {
        Fault::Delay { from_ms, to_ms, .. }
        | Fault::Slow { from_ms, to_ms, .. }
        | Fault::Loss { from_ms, to_ms, .. }
        | Fault::Partition { from_ms, to_ms, .. }
        | Fault::Hang { from_ms, to_ms, .. }
        | Fault::Refuse { from_ms, to_ms, .. }
        | Fault::Ignore { from_ms, to_ms, .. }
        | Fault::SlowAccept { from_ms, to_ms, .. }
        | Fault::SlowDisk { from_ms, to_ms, .. }
        | Fault::Sleep { from_ms, to_ms, .. }
        | Fault::Limit { from_ms, to_ms, .. }
        | Fault::Tracker { from_ms, to_ms, .. }
        | Fault::Pause { from_ms, to_ms, .. } => (from_ms, to_ms),
        Fault::Crash { at_ms, down_ms, .. } | Fault::Stop { at_ms, down_ms, .. } => (at_ms, at_ms + down_ms),
        Fault::Move { at_ms, lost_ms, .. } => (at_ms, at_ms + lost_ms),
        Fault::ResetAt { at_ms, .. } | Fault::ClockJump { at_ms, .. } | Fault::Reconsider { at_ms, .. } => {
            (at_ms, at_ms)
        }
        Fault::Think { for_ms, .. } => (0, for_ms),
        Fault::Swizzle { from_ms, .. } => (from_ms, fault.ends_ms()),
        _ => return None,
    })
}

/// What happens, without when.
pub fn fault(fault: &Fault) -> String {
    on_a_connection(fault).or_else(|| on_the_network(fault)).unwrap_or_else(|| on_a_host(fault))
}

/// What happens to one connection at one of its bytes.
fn on_a_connection(fault: &Fault) -> Option<String> {
    let (receiver, sender, nth, way_of, what) = match *fault {
        Fault::LostEdge { receiver, sender, nth, way, arrival } => {
            (receiver, sender, nth, way, format!("the readiness of arrival {arrival} is not told"))
        }
        Fault::Reset { receiver, sender, nth, way, at_byte, eats_unread } => {
            (receiver, sender, nth, way, format!("reset at byte {at_byte}; {}", eats(eats_unread)))
        }
        Fault::EarlyFin { receiver, sender, nth, way, at_byte } => {
            (receiver, sender, nth, way, format!("ends at byte {at_byte} as if properly"))
        }
        Fault::Flip { receiver, sender, nth, way, at_byte, mask } => {
            (receiver, sender, nth, way, format!("bits {mask:#04x} of byte {at_byte} are inverted"))
        }
        Fault::DropBytes { receiver, sender, nth, way, at_byte, len } => {
            (receiver, sender, nth, way, format!("{len} bytes from {at_byte} on vanish"))
        }
        Fault::DuplicateBytes { receiver, sender, nth, way, at_byte, len } => {
            (receiver, sender, nth, way, format!("{len} bytes from {at_byte} on come twice"))
        }
        Fault::SwapBytes { receiver, sender, nth, way, at_byte, len } => {
            let what = format!("{len} bytes from {at_byte} on change places with those behind");
            (receiver, sender, nth, way, what)
        }
        Fault::Ghost { receiver, sender, nth, way, at_byte, len } => {
            let what = format!("{len} bytes of an older connection come in before byte {at_byte}");
            (receiver, sender, nth, way, what)
        }
        _ => return None,
    };
    Some(format!("connection {nth} of host {receiver} with host {sender}, {}: {what}", way(way_of)))
}

fn on_the_network(fault: &Fault) -> Option<String> {
    Some(match *fault {
        Fault::Delay { host, way: to, add_us, jitter_us, .. } => {
            format!("host {host}, {}: bytes take {add_us} µs more, and up to {jitter_us} at random", way(to))
        }
        Fault::Slow { host, rate, .. } => format!("host {host} sends no faster than {rate} bytes a second"),
        Fault::Loss { host, permille, .. } => {
            format!("host {host}: {permille} in a thousand segments are lost, and sent again later")
        }
        Fault::Partition { receiver, sender, way: None, .. } => {
            format!("nothing passes between hosts {receiver} and {sender}")
        }
        Fault::Partition { receiver, sender, way: Some(to), .. } => {
            format!("nothing passes between hosts {receiver} and {sender} {}", way(to))
        }
        Fault::Swizzle { step_ms, hold_ms, .. } => format!(
            "all hosts are cut off, one each {step_ms} ms, for {hold_ms} ms, and come back in another order"
        ),
        Fault::ResetAt { receiver, sender, eats_unread, .. } => {
            format!("connections of hosts {receiver} and {sender} are reset; {}", eats(eats_unread))
        }
        Fault::Refuse { host, .. } => format!("dials to host {host} are refused"),
        Fault::Ignore { host, .. } => format!("dials to host {host} are not answered"),
        Fault::SlowAccept { host, add_ms, .. } => format!("host {host} accepts {add_ms} ms late"),
        Fault::Move { host, lost_ms, .. } => {
            format!("host {host} gets another address, and is found again {lost_ms} ms later")
        }
        _ => return None,
    })
}

fn on_a_host(fault: &Fault) -> String {
    let end = |end: End| match end {
        End::Kill => "is killed",
        End::Power => "loses its power",
    };
    match fault {
        Fault::Hang { host, .. } => format!("host {host} is connected and does nothing"),
        Fault::Hostile { host, script } => format!("host {host} means harm: {script:?}"),
        Fault::Disk { host, fault } => format!("the disk of host {host}: {fault:?}"),
        Fault::SlowDisk { host, add_ms, .. } => format!("the disk of host {host} takes {add_ms} ms more"),
        Fault::Crash { host, end: how, down_ms, .. } => {
            format!("host {host} {}, and is back {down_ms} ms later", end(*how))
        }
        Fault::CrashAtCall { host, call, down_ms, end: how } => {
            format!("host {host} {} at call {call} of its disk, and is back {down_ms} ms later", end(*how))
        }
        Fault::Sleep { host, clock, .. } => {
            let clock = match clock {
                SleepClock::Stops => "stands still",
                SleepClock::Runs => "goes on",
            };
            format!("host {host} sleeps; its clock {clock}")
        }
        Fault::ClockRate { host, ppm } => format!("the clock of host {host} is {ppm} millionths too fast"),
        Fault::ClockJump { host, seconds, .. } => {
            format!("the civil time of host {host} jumps by {seconds} s")
        }
        Fault::Think { receiver, .. } => format!("the user of host {receiver} looks at the offer for long"),
        Fault::Pause { receiver, .. } => format!("the user of host {receiver} pauses"),
        Fault::Reconsider { receiver, .. } => {
            format!("the user of host {receiver} goes back to the offer and chooses another order")
        }
        Fault::Limit { host, up, down, .. } => {
            let rate = |rate: &u64| {
                if *rate == 0 { "any rate".to_owned() } else { format!("{rate} bytes a second") }
            };
            format!(
                "the user of host {host} limits what it sends to {}, what it receives to {}",
                rate(up),
                rate(down)
            )
        }
        Fault::Stop { host, down_ms, .. } => {
            format!("the user of host {host} stops the program, and starts it again {down_ms} ms later")
        }
        Fault::Tracker { tracker, trouble, .. } => match trouble {
            TrackerTrouble::Gone => format!("tracker {tracker} cannot be reached"),
            TrackerTrouble::Forgets => {
                format!("tracker {tracker} cannot be reached, and has forgotten everything afterwards")
            }
            TrackerTrouble::LosesAnswers => format!("half of the answers of tracker {tracker} are lost"),
        },
        Fault::NewerPeer { host } => format!("host {host} speaks a newer version"),
        other => other.name().to_owned(),
    }
}
