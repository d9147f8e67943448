//! Runs the planted bugs: `mutants [quick|full|board] [NUMBER…]`. In a build without them it says how to make one.

use std::process::ExitCode;

use truecopy_sim::mutants::{Options, Ran, Size, run};

fn main() -> ExitCode {
    let mut options = Options::default();
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "quick" => options.size = Size::Quick,
            "full" => options.size = Size::Full,
            "board" => options.size = Size::Board,
            number => match number.parse() {
                Ok(number) => options.only.push(number),
                Err(_) => {
                    eprintln!("`{word}` is none of quick, full, board, and no number");
                    return ExitCode::from(2);
                }
            },
        }
    }
    match run(&options, &mut |line| println!("{line}")) {
        Ran::Passed => ExitCode::SUCCESS,
        Ran::Failed => ExitCode::from(1),
        Ran::NotPlanted => ExitCode::from(2),
    }
}
