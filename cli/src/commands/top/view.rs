//! Draws the model. Whatever comes from others is escaped before it gets here, or here.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect, Size};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Block, Paragraph, Row as Cells, Table, TableState};

use super::model::{Chosen, Message, Model, Row, Seen, Tone};
use crate::api::shapes::{Link, Transfer};
use crate::engine::news::State;
use crate::escape::Shown;
use crate::output::{amount, map, time};

/// Cells of a bar.
const BAR: usize = 14;
/// The columns of the list: what stands above them, how wide they are, and on how wide a screen they are shown.
const COLUMNS: [(&str, Constraint, u16); 10] = [
    ("", Constraint::Length(5), 0),
    ("", Constraint::Length(1), 0),
    ("name", Constraint::Fill(3), 0),
    ("with", Constraint::Fill(2), 72),
    ("state", Constraint::Length(9), 0),
    ("", Constraint::Length(BAR as u16), 60),
    ("", Constraint::Length(4), 0),
    ("of", Constraint::Length(10), 100),
    ("rate", Constraint::Length(11), 60),
    ("left", Constraint::Length(6), 100),
];
/// Lines of the map of chunks.
const MAP_LINES: u16 = 2;
/// Screens lower than this have no map, and lower ones no peers.
const LOW: u16 = 20;
const LOWEST: u16 = 12;

const KEYS: &str =
    "↑↓ choose  p pause  r resume  c cancel  t retry  a accept  d decline  x forget  : order  q leave";

/// The same on a narrow screen.
const KEYS_SHORT: &str = "↑↓ p pause r resume c cancel t retry a accept d decline x forget : order q leave";

/// The areas of a screen.
struct Areas {
    head: Rect,
    list: Rect,
    /// Peers of what is chosen, and nodes that are here.
    middle: Option<[Rect; 2]>,
    map: Option<Rect>,
    messages: Rect,
    foot: Rect,
}

impl Areas {
    fn of(all: Rect) -> Self {
        let middle = if all.height < LOWEST { 0 } else { all.height / 4 };
        let map = if all.height < LOW { 0 } else { MAP_LINES + 2 };
        let heights = [
            Constraint::Length(1),
            Constraint::Fill(3),
            Constraint::Length(middle),
            Constraint::Length(map),
            Constraint::Fill(2),
            Constraint::Length(1),
        ];
        let [head, list, peers, chunks, messages, foot] = Layout::vertical(heights).areas(all);
        let halves = Layout::horizontal([Constraint::Fill(5), Constraint::Fill(3)]);
        let middle = (middle > 0).then(|| halves.areas(peers));
        Self { head, list, middle, map: (map > 0).then_some(chunks), messages, foot }
    }
}

/// Stretches of the map of chunks on a screen of this size.
pub(super) fn cells(screen: Size) -> u32 {
    let map = Areas::of(Rect::new(0, 0, screen.width, screen.height)).map;
    map.map_or(1, |map| u32::from(map.width.saturating_sub(2)) * u32::from(MAP_LINES)).max(1)
}

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let areas = Areas::of(frame.area());
    frame.render_widget(head(model), areas.head);
    list(frame, model, areas.list);
    if let Some([peers, nodes]) = areas.middle {
        frame.render_widget(peers_of(model, peers.width), peers);
        frame.render_widget(nodes_here(model), nodes);
    }
    if let Some(area) = areas.map {
        frame.render_widget(chunks(model, area.width), area);
    }
    frame.render_widget(messages(model, areas.messages.height), areas.messages);
    foot(frame, model, areas.foot);
}

fn shown(text: &str) -> String {
    Shown::terminal(text.as_bytes()).to_string()
}

const fn plain() -> Style {
    Style::new()
}

const fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

const fn tone(tone: Tone) -> Style {
    match tone {
        Tone::Plain => dim(),
        Tone::Said => plain(),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Bad => Style::new().fg(Color::Red),
    }
}

fn head(model: &Model) -> Line<'_> {
    let name = Span::styled("truecopy ", Style::new().add_modifier(Modifier::BOLD));
    if let Some(why) = model.away() {
        return Line::from(vec![name, Span::styled(why.what.to_string(), tone(Tone::Bad))]);
    }
    let Some(Seen { status, .. }) = model.seen() else { return Line::from(name) };
    let node = status.node.get(..16).unwrap_or(&status.node);
    let at = status.addresses.first().map_or("nowhere", String::as_str);
    let mut text =
        format!("{} at {} · up {}", shown(node), shown(at), time(Duration::from_secs(status.uptime)));
    text.push_str(&format!(" · ↓ {} ↑ {}", rate(status.down), rate(status.up)));
    Line::from(vec![name, Span::raw(text)])
}

fn rate(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{}/s", amount(bytes)) }
}

/// What moves and what is offered.
fn list(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let title = match model.seen() {
        Some(seen) => format!(" Transfers: {} of {} under way ", seen.status.active, seen.status.transfers),
        None => " Transfers ".to_owned(),
    };
    let block = Block::bordered().title(title);
    // It scrolls to where the chosen one is.
    let mut state = TableState::default().with_selected(model.place());
    let columns = COLUMNS.map(|(_, width, least)| (area.width >= least).then_some(width));
    let fitting = |cells: [String; COLUMNS.len()]| {
        let cells = cells.into_iter().zip(columns).filter_map(|(cell, width)| width.map(|_| cell));
        Cells::new(cells.collect::<Vec<_>>())
    };
    let rows: Vec<Cells<'_>> = model
        .rows()
        .map(|row| {
            let (cells, style) = row_of(row);
            fitting(cells).style(style)
        })
        .collect();
    if rows.is_empty() {
        let text =
            "nothing moves, and nothing is offered;\n: gives an order, as  : get TICKET  or  : share PATH";
        return frame.render_widget(Paragraph::new(text).style(dim()).block(block), area);
    }
    let head = fitting(COLUMNS.map(|(name, ..)| name.to_owned())).style(dim());
    let table = Table::new(rows, columns.into_iter().flatten()).header(head).block(block);
    let table = table.row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, &mut state);
}

fn row_of(row: Row<'_>) -> ([String; COLUMNS.len()], Style) {
    match row {
        Row::Offer(it) => {
            let (name, from) = (shown(&it.title), shown(&it.from.name));
            let (number, files) = (format!("[{}]", it.offer), format!("{} files", it.files));
            let none = String::new;
            let of = amount(it.size);
            let cells = [number, "?".into(), name, from, "for you".into(), files, none(), of, none(), none()];
            (cells, Style::new().fg(Color::Yellow))
        }
        Row::Transfer(it) => transfer(it),
    }
}

fn transfer(it: &Transfer) -> ([String; COLUMNS.len()], Style) {
    let comes = it.way == "in";
    let arrow = if comes { "←" } else { "→" };
    let nobody = || if comes { "-" } else { "all" }.to_owned();
    let with = it.with.as_ref().map_or_else(nobody, |who| shown(&who.name));
    let style = match State::read(&it.state, it.why.as_deref()) {
        Some(State::Done) => Style::new().fg(Color::Green),
        Some(State::Failed(_) | State::Declined) => Style::new().fg(Color::Red),
        Some(State::Running) => plain(),
        _ => dim(),
    };
    // What is served to everybody has no end.
    let has_end = comes || it.with.is_some();
    let (bar, percent) = match it.size {
        _ if !has_end => (format!("{} given", amount(it.moved)), String::new()),
        0 => (String::new(), String::new()),
        size => {
            let percent = u128::from(it.moved.min(size)) * 100 / u128::from(size);
            (bar(it.moved, size), format!("{percent:>3}%"))
        }
    };
    let speed = if comes { it.down } else { it.up };
    let left = it.size.saturating_sub(it.moved).checked_div(speed).filter(|_| has_end && it.moved < it.size);
    let cells = [
        format!("[{}]", it.transfer),
        arrow.to_owned(),
        shown(&it.title),
        with,
        shown(&it.state),
        bar,
        percent,
        if it.size > 0 { amount(it.size) } else { String::new() },
        rate(speed),
        left.map_or_else(String::new, |seconds| time(Duration::from_secs(seconds))),
    ];
    (cells, style)
}

/// A bar of verified bytes, in eighths of a cell: full when all is verified, and not before.
fn bar(done: u64, of: u64) -> String {
    const EIGHTHS: [char; 8] = ['░', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let filled = (u128::from(done.min(of)) * (BAR as u128 * 8) / u128::from(of.max(1))) as usize;
    let (whole, part) = (filled / 8, filled % 8);
    let cell = |at: usize| match at.cmp(&whole) {
        std::cmp::Ordering::Less => '█',
        std::cmp::Ordering::Equal => EIGHTHS[part],
        std::cmp::Ordering::Greater => '░',
    };
    (0..BAR).map(cell).collect()
}

/// The peers of what is chosen, those that move most first.
fn peers_of(model: &Model, width: u16) -> Table<'_> {
    let title = match model.chosen() {
        Some(Chosen::Transfer(number)) => format!(" Peers of [{number}] "),
        Some(Chosen::Offer(_)) | None => " Peers ".to_owned(),
    };
    let mut links: Vec<&Link> = model.details().into_iter().flat_map(|details| &details.peers).collect();
    links.sort_by_key(|link| std::cmp::Reverse((link.down + link.up, link.received + link.sent)));
    let is_wide = width >= 64;
    let rows = links.into_iter().map(|link| {
        let way = if link.way == "out" { "→" } else { "←" };
        let has = u64::from(link.has) * 100;
        let has = has.checked_div(u64::from(link.of)).map_or_else(|| "-".to_owned(), |has| format!("{has}%"));
        let place = format!("{way} {} {}", shown(&link.path), shown(&link.address));
        let more = is_wide.then(|| [rate(link.up), has, shown(&link.state)]);
        Cells::new([place, rate(link.down)].into_iter().chain(more.into_iter().flatten()))
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(11),
        Constraint::Length(11),
        Constraint::Length(4),
        Constraint::Length(15),
    ];
    let columns = if is_wide { 5 } else { 2 };
    let head =
        Cells::new(["path", "from it", "to it", "has", "state"].into_iter().take(columns)).style(dim());
    let table = Table::new(rows, widths.into_iter().take(columns));
    table.header(head).block(Block::bordered().title(title))
}

/// The room that the daemon is in, in a word or two.
fn room(model: &Model) -> &'static str {
    let is_private = model.seen().is_some_and(|seen| seen.status.room == "private");
    if is_private { "the room" } else { "the lobby" }
}

/// Who is here.
fn nodes_here(model: &Model) -> Paragraph<'_> {
    let peers = model.seen().map_or(&[][..], |seen| &seen.peers[..]);
    let line = |peer: &crate::api::shapes::Peer| {
        format!("{}  {}", shown(&peer.name), shown(peer.address.as_deref().unwrap_or_default()))
    };
    let text: Vec<Line<'_>> = peers.iter().map(|peer| Line::from(line(peer))).collect();
    Paragraph::new(text).block(Block::bordered().title(format!(
        " Nodes in {}: {} ",
        room(model),
        peers.len()
    )))
}

/// Which chunks of the chosen one are here.
fn chunks(model: &Model, width: u16) -> Paragraph<'_> {
    let cells: Vec<(u32, u32)> =
        model.details().into_iter().flat_map(|details| &details.map).map(|cell| (cell[0], cell[1])).collect();
    let (have, all) =
        cells.iter().fold((0_u64, 0_u64), |sum, cell| (sum.0 + u64::from(cell.0), sum.1 + u64::from(cell.1)));
    let title = if all == 0 { " Chunks ".to_owned() } else { format!(" Chunks: {have} of {all} verified ") };
    let text = map(&cells);
    let letters: Vec<char> = text.chars().collect();
    let lines = letters.chunks(usize::from(width.saturating_sub(2)).max(1));
    let lines: Vec<Line<'_>> = lines.map(|line| Line::from(line.iter().collect::<String>())).collect();
    Paragraph::new(lines).block(Block::bordered().title(title))
}

fn messages(model: &Model, height: u16) -> Paragraph<'_> {
    let line = |message: &Message| Line::styled(message.text.clone(), tone(message.tone));
    let lines: Vec<Line<'_>> = model.newest(usize::from(height.saturating_sub(2))).map(line).collect();
    Paragraph::new(Text::from(lines)).block(Block::bordered().title(" Messages "))
}

/// What is typed, or what is wrong, or the keys.
fn foot(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let note = model.note().map(|note| Span::styled(note.text.clone(), tone(note.tone)));
    match model.typed() {
        Some(typed) => {
            let mut line = Line::from(format!(": {}", shown(typed)));
            let width = line.width();
            if let Some(note) = note {
                line.push_span(Span::raw("  "));
                line.push_span(note);
            }
            frame.render_widget(line, area);
            let at = u16::try_from(width).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
            frame.set_cursor_position((area.x + at, area.y));
        }
        None => {
            let keys = if area.width < 100 { KEYS_SHORT } else { KEYS };
            frame.render_widget(note.map_or_else(|| Line::styled(keys, dim()), Line::from), area);
        }
    }
}
