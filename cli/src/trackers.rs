//! What trackers say, told when it is news.

use std::collections::BTreeMap;

use truecopy_protocol::TrackerUrl;
use truecopy_protocol::job::AnnounceError;
use truecopy_protocol::output::TrackerCounts;

use crate::output::{Event, Reporter};

/// What each tracker said last: that it knows us, or why not.
#[derive(Debug, Default)]
pub struct Heard(BTreeMap<TrackerUrl, Option<AnnounceError>>);

impl Heard {
    /// Tells what a tracker said, unless it is what it said before.
    pub fn tell(
        &mut self,
        reporter: &Reporter,
        tracker: TrackerUrl,
        said: Result<TrackerCounts, AnnounceError>,
    ) {
        let text = match said {
            Ok(TrackerCounts { seeders, leechers }) => {
                format!("tracker {tracker}: {seeders} have everything, {leechers} a part or nothing")
            }
            Err(why) => format!("tracker {tracker}: {why}; it is tried again"),
        };
        let why = said.err();
        if self.0.insert(tracker, why) != Some(why) {
            reporter.tell(&match why {
                None => Event::Note { text: &text },
                Some(_) => Event::Warning { text: &text },
            });
        }
    }
}
