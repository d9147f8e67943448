//! The file at both ends, and where every byte went.

use crate::report::canvas::Canvas;
use crate::story::text::number;
use crate::story::{SIZE, Story};

use super::{LEFT, RIGHT, frame};

fn x(offset: u64) -> f64 {
    LEFT + (RIGHT - LEFT) * offset as f64 / SIZE as f64
}

/// Ribbons from each run of bytes in the sender's file to where it stands at the receiver.
pub(super) fn panel(canvas: &mut Canvas, story: &Story) {
    let (run, top) = (&story.unstable, 514.0);
    let lost: u64 = run.missing.iter().map(|gap| gap.end - gap.start).sum();
    let says = format!("{} bytes lost · {} in a wrong place", number(lost), number(run.wrong));
    frame(canvas, (top, 196.0), "The file, at both ends", &says);
    let (sent, got, strip) = (top + 62.0, top + 150.0, 20.0);
    for (y, name, what) in [(sent, "sent", "the file"), (got, "received", "under the same name")] {
        canvas.text((40.0, y + 9.0), "strong", name);
        canvas.text((40.0, y + 24.0), "small", what);
    }
    canvas.rect((LEFT, got), (RIGHT - LEFT, strip), "again");
    let end = run.regions.last().map_or(0, |region| region.at.end);
    canvas.rect((x(end), got), (RIGHT - x(end), strip), "paper");
    for region in &run.regions {
        let Some(source) = region.source() else { continue };
        let (class, ribbon) =
            if region.is_right() { ("good", "good-ribbon") } else { ("warn", "warn-ribbon") };
        let (from, to) = ((x(source.start), x(source.end)), (x(region.at.start), x(region.at.end)));
        canvas.polygon(&[(from.0, sent + strip), (from.1, sent + strip), (to.1, got), (to.0, got)], ribbon);
        canvas.rect((from.0, sent), (from.1 - from.0, strip), "good");
        canvas.rect((to.0, got), ((to.1 - to.0 - 1.0).max(0.5), strip), class);
    }
    // Labels of neighbours would lie over each other: every second one stands a line higher.
    for (gap, row) in run.missing.iter().zip([0.0, 13.0].into_iter().cycle()) {
        canvas.rect((x(gap.start), sent), (x(gap.end) - x(gap.start), strip), "bad");
        let middle = (x(gap.start) + x(gap.end)) / 2.0;
        canvas.text(
            (middle, sent - 5.0 - row),
            "small middle bad-text",
            format!("−{}", number(gap.end - gap.start)),
        );
    }
    canvas.text((RIGHT, got + strip + 15.0), "small end", format!("{} bytes", number(SIZE as u64)));
    canvas.text((x(end) + 6.0, got + 14.0), "small bad-text", "missing");
}
