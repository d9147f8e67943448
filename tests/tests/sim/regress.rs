//! Every plan that once showed a bug passes.

use std::fs;
use std::path::Path;

use truecopy_sim::plan::Plan;
use truecopy_sim::world::{Options, Verdict, run};

#[test]
fn every_plan_that_once_failed_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("regress");
    let mut plans: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    plans.sort();
    assert!(!plans.is_empty(), "the plans are where they are looked for");
    for path in plans {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let plan = Plan::from_toml(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!plan.about.is_empty(), "{name} says what it is about");
        let verdict = run(&plan, &Options::default()).unwrap().verdict;
        assert_eq!(verdict, Verdict::Pass, "{name}");
    }
}
