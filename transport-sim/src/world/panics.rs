//! Panics are findings, also those that are caught on their way.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static PANICS: Cell<u64> = const { Cell::new(0) };
}

static HOOK: Once = Once::new();

/// Counts the panics of this thread from now on, beside whatever is done about them already.
pub(super) fn watch() {
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.with(|panics| panics.set(panics.get() + 1));
            before(info);
        }));
    });
}

/// Panics of this thread so far.
pub(super) fn count() -> u64 {
    PANICS.with(Cell::get)
}
