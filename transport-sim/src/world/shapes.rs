//! From a plan to the streams of one connection.

use crate::oracle::Order;
use crate::plan::{ChannelKind, Eating, Fault, Network, Plan, Way};
use crate::stream::{Arrival, Break, Cut, Damage, Direction, Eats, Shape};

/// Both directions of a connection.
pub(super) struct Shapes {
    pub(super) up: Direction,
    pub(super) down: Direction,
    pub(super) seed: u64,
    pub(super) order: Order,
}

/// The streams of a connection: the `nth` that a receiver made with a sender.
pub(super) fn of(plan: &Plan, receiver: usize, sender: usize, nth: u32) -> Shapes {
    let shape = shape(&plan.network);
    let (mut up, mut down) = (Direction::from(shape), Direction::from(shape));
    for fault in &plan.faults {
        if let Some((way, what)) = of_fault(fault, receiver, sender, nth) {
            let direction = match way {
                Way::Up => &mut up,
                Way::Down => &mut down,
            };
            match what {
                Trouble::Break(broken) => direction.broken = Some(broken),
                Trouble::Damage(damage) => direction.damages.push(damage),
            }
        }
    }
    let is_damaged = !up.damages.is_empty() || !down.damages.is_empty();
    let order = if is_damaged && plan.channel == ChannelKind::Clear { Order::Damaged } else { Order::Kept };
    let entity = (receiver as u64) << 40 | (sender as u64) << 16 | u64::from(nth);
    let seed = plan.seed ^ entity.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Shapes { up, down, seed, order }
}

fn shape(network: &Network) -> Shape {
    let cut = |max: u32| if max == 0 { Cut::All } else { Cut::Coarsening(max as usize) };
    Shape {
        window: network.window.max(1) as usize,
        accept: cut(network.write_max),
        arrival: Arrival::Commanded,
        read: cut(network.read_max),
        would_block_permille: network.would_block_permille.min(900),
        interrupted_permille: network.interrupted_permille.min(900),
    }
}

enum Trouble {
    Break(Break),
    Damage(Damage),
}

fn of_fault(fault: &Fault, receiver: usize, sender: usize, nth: u32) -> Option<(Way, Trouble)> {
    let concerns =
        |r: u16, s: u16, n: u32| usize::from(r) == receiver && usize::from(s) == sender && n == nth;
    let (way, trouble) = match *fault {
        Fault::Reset { receiver, sender, nth, way, at_byte, eats_unread }
            if concerns(receiver, sender, nth) =>
        {
            (way, Trouble::Break(Break::Reset { at: at_byte, eats: eats(eats_unread) }))
        }
        Fault::EarlyFin { receiver, sender, nth, way, at_byte } if concerns(receiver, sender, nth) => {
            (way, Trouble::Break(Break::Fin { at: at_byte }))
        }
        Fault::Flip { receiver, sender, nth, way, at_byte, mask } if concerns(receiver, sender, nth) => {
            (way, Trouble::Damage(Damage::Flip { at: at_byte, mask: mask.max(1) }))
        }
        Fault::DropBytes { receiver, sender, nth, way, at_byte, len } if concerns(receiver, sender, nth) => {
            (way, Trouble::Damage(Damage::Drop { at: at_byte, len: len.max(1) as usize }))
        }
        Fault::DuplicateBytes { receiver, sender, nth, way, at_byte, len }
            if concerns(receiver, sender, nth) =>
        {
            (way, Trouble::Damage(Damage::Duplicate { at: at_byte, len: len.max(1) as usize }))
        }
        Fault::SwapBytes { receiver, sender, nth, way, at_byte, len } if concerns(receiver, sender, nth) => {
            (way, Trouble::Damage(Damage::Swap { at: at_byte, len: len.max(1) as usize }))
        }
        Fault::Ghost { receiver, sender, nth, way, at_byte, len } if concerns(receiver, sender, nth) => {
            (way, Trouble::Damage(Damage::Insert { at: at_byte, bytes: ghost(len as usize) }))
        }
        _ => return None,
    };
    Some((way, trouble))
}

pub(super) const fn eats(eating: Eating) -> Eats {
    match eating {
        Eating::UnderWay => Eats::Unarrived,
        Eating::Unread => Eats::Unread,
    }
}

/// What an earlier connection had under way: an answer of so many bytes to a request for the first blocks of the first
/// file, in a frame of the clear channel.
fn ghost(len: usize) -> Vec<u8> {
    const HEAD: usize = 14;
    let len = len.clamp(1, 8 * 1024);
    let mut bytes = Vec::with_capacity(2 + HEAD + len);
    bytes.extend_from_slice(&((HEAD + len) as u16).to_be_bytes());
    bytes.extend_from_slice(&(8 + len as u32).to_le_bytes());
    bytes.extend_from_slice(&12_u16.to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(&crate::content::bytes(0, 0, 0, len));
    bytes
}

/// Whether the readiness of this arrival is not told (N6).
pub(super) fn loses_edge(
    plan: &Plan,
    receiver: usize,
    sender: usize,
    nth: u32,
    way: Way,
    arrival: u32,
) -> bool {
    plan.faults.iter().any(|fault| {
        matches!(*fault, Fault::LostEdge { receiver: r, sender: s, nth: n, way: w, arrival: a }
            if usize::from(r) == receiver && usize::from(s) == sender && n == nth && w == way && a == arrival)
    })
}
