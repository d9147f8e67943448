//! What keys do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::{Chosen, Message, Model, Tone};
use crate::api::orders::Given;
use crate::engine::order::Order;
use crate::escape::Shown;

/// Rows that a page key goes over.
const PAGE: isize = 10;
/// Bytes of an order that is typed, at most.
const TYPED_MAX: usize = 16 * 1024;

/// What follows of a key.
#[derive(Debug)]
pub(super) enum Act {
    /// Nothing, or only the screen changes.
    Nothing,
    /// The daemon is given an order.
    Order(Box<Given>),
    /// The screen is left; the daemon goes on.
    Leave,
}

/// Does what a key says.
pub(super) fn press(model: &mut Model, key: KeyEvent) -> Act {
    if key.kind == KeyEventKind::Release {
        return Act::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Act::Leave,
            KeyCode::Char('u') => {
                if let Some(typed) = model.typed_mut() {
                    typed.clear();
                }
                Act::Nothing
            }
            _ => Act::Nothing,
        };
    }
    if model.typed().is_some() {
        return edit(model, key.code);
    }
    model.forget_note();
    match key.code {
        KeyCode::Char('q') => return Act::Leave,
        KeyCode::Up | KeyCode::Char('k') => model.step(-1),
        KeyCode::Down | KeyCode::Char('j') => model.step(1),
        KeyCode::PageUp => model.step(-PAGE),
        KeyCode::PageDown => model.step(PAGE),
        KeyCode::Home => model.step(isize::MIN),
        KeyCode::End => model.step(isize::MAX),
        KeyCode::Char(':') => *model.typed_mut() = Some(String::new()),
        KeyCode::Char(key) => return steer(model, key),
        _ => {}
    }
    Act::Nothing
}

/// Does something with what is chosen.
fn steer(model: &mut Model, key: char) -> Act {
    let order = match (key, model.chosen()) {
        ('p', Some(Chosen::Transfer(transfer))) => Given::Pause { transfer },
        ('r', Some(Chosen::Transfer(transfer))) => Given::Resume { transfer },
        ('c', Some(Chosen::Transfer(transfer))) => Given::Cancel { transfer },
        ('t', Some(Chosen::Transfer(transfer))) => Given::Retry { transfer },
        ('x', Some(Chosen::Transfer(transfer))) => Given::Rm { transfer },
        ('a', Some(Chosen::Offer(offer))) => Given::Accept { offer, folder: None, only: Vec::new() },
        ('d', Some(Chosen::Offer(offer))) => Given::Decline { offer },
        ('p' | 'r' | 'c' | 't' | 'x', Some(Chosen::Offer(_))) => {
            model.complain("that is an offer: a accepts it, d declines it".into());
            return Act::Nothing;
        }
        ('a' | 'd', Some(Chosen::Transfer(_))) => {
            model.complain("that is no offer".into());
            return Act::Nothing;
        }
        _ => return Act::Nothing,
    };
    Act::Order(Box::new(order))
}

/// Edits the order that is being typed.
fn edit(model: &mut Model, key: KeyCode) -> Act {
    let Some(typed) = model.typed_mut() else { return Act::Nothing };
    match key {
        KeyCode::Char(c) if typed.len() < TYPED_MAX => typed.push(c),
        KeyCode::Backspace => {
            typed.pop();
        }
        KeyCode::Esc => *model.typed_mut() = None,
        KeyCode::Enter => return give(model),
        _ => {}
    }
    Act::Nothing
}

/// Gives the order that was typed; one that cannot be read can be mended.
fn give(model: &mut Model) -> Act {
    let line = model.typed().unwrap_or_default().to_owned();
    let order = match Order::read(&line) {
        Ok(Some(order)) => order,
        Ok(None) => {
            *model.typed_mut() = None;
            return Act::Nothing;
        }
        Err(error) => {
            model.complain(error.what.to_string());
            return Act::Nothing;
        }
    };
    let Some(given) = Given::of(order) else {
        model.complain("that is seen here anyway; q leaves".into());
        return Act::Nothing;
    };
    *model.typed_mut() = None;
    model.forget_note();
    echo(model, &given);
    Act::Order(Box::new(given))
}

/// What was said stands among the messages.
fn echo(model: &mut Model, given: &Given) {
    let (to, text) = match given {
        Given::Send { to, text } => (to.as_str(), text),
        Given::Broadcast { text } => ("all", text),
        _ => return,
    };
    let shown = |text: &str| Shown::terminal(text.as_bytes()).to_string();
    model.tell(Message { tone: Tone::Plain, text: format!("→ {}: {}", shown(to), shown(text)) });
}
