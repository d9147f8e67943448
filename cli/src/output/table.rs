//! The table of peers and the map of chunks, for people.

use super::event::PeerRow;
use super::human::{amount, percent, shown};

/// Peers that are shown at most; of more, the number.
const ROWS_MAX: usize = 12;

/// A line a peer, those that move most first; nothing if there are none.
pub(super) fn peers(rows: &[PeerRow<'_>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&PeerRow<'_>> = rows.iter().collect();
    sorted.sort_by_key(|row| std::cmp::Reverse((row.down + row.up, row.received + row.sent)));
    let mut lines =
        vec![format!("  {:<29} {:>11}  {:>11}  {:>5}  {}", "peer", "from it", "to it", "has", "state")];
    for row in sorted.iter().take(ROWS_MAX) {
        let way = if row.is_dialled { '→' } else { '←' };
        let has = match row.of {
            0 => "-".to_owned(),
            of => format!("{}%", percent(u64::from(row.has), u64::from(of))),
        };
        let (down, up) = (rate(row.down), rate(row.up));
        let address = shown(row.link.address).to_string();
        lines.push(format!("{way} {address:<29} {down:>11}  {up:>11}  {has:>5}  {}", row.state()));
    }
    if rows.len() > ROWS_MAX {
        lines.push(format!("  and {} more", rows.len() - ROWS_MAX));
    }
    lines.join("\n")
}

fn rate(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{}/s", amount(bytes)) }
}

/// A character for each stretch: how many of its chunks are here.
pub fn map(cells: &[(u32, u32)]) -> String {
    let of = |(here, all): &(u32, u32)| match (*here, *all) {
        (_, 0) => ' ',
        (0, _) => '·',
        (here, all) if here >= all => '█',
        (here, all) if u64::from(here) * 3 >= u64::from(all) * 2 => '▓',
        (here, all) if u64::from(here) * 3 >= u64::from(all) => '▒',
        _ => '░',
    };
    cells.iter().map(of).collect()
}
