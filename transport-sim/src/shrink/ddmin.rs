//! Delta debugging: which of many are needed.

/// Removes what is not needed. `keeps` says whether the failure stays with these alone, and is asked about ever smaller
/// lists. The order of what remains is kept.
pub(super) fn ddmin<T: Clone>(items: &[T], keeps: &mut dyn FnMut(&[T]) -> bool) -> Vec<T> {
    let mut items = items.to_vec();
    if items.is_empty() || keeps(&[]) {
        return Vec::new();
    }
    let mut parts = 2;
    while items.len() > 1 {
        let size = items.len().div_ceil(parts);
        let mut found = None;
        for start in (0..items.len()).step_by(size) {
            let end = (start + size).min(items.len());
            let rest = [&items[..start], &items[end..]].concat();
            if keeps(&rest) {
                found = Some(rest);
                break;
            }
        }
        match found {
            Some(rest) => {
                items = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(items.len()),
        }
    }
    items
}
