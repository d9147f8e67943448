//! `truecopy man`: the manual, made from the same model as the command line itself.

use std::fs;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::args::{Cli, ManArgs};
use crate::exit::{Error, Exit, Result};
use crate::run::Context;

/// Runs the command.
pub fn run(args: &ManArgs, context: &Context) -> Result<Exit> {
    let mut model = Cli::command();
    model.build();
    let failed = |error| Error::new(Exit::Unexpected, format!("cannot make the manual: {error}"));
    let Some(folder) = &args.pages else {
        let mut page = page(&model).map_err(failed)?;
        for command in below(&model) {
            page.extend(section(command).map_err(failed)?);
        }
        context.reporter.generated(&page);
        return Ok(Exit::Success);
    };
    fs::create_dir_all(folder).map_err(|error| Error::local("make", folder, &error))?;
    for command in below(&model).into_iter().chain([&model]) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = folder.join(format!("{name}.1"));
        let text = page(command).map_err(failed)?;
        fs::write(&path, text).map_err(|error| Error::local("write", &path, &error))?;
    }
    Ok(Exit::Success)
}

/// All commands below this one, at any depth; each is followed by its own.
fn below(command: &Command) -> Vec<&Command> {
    let commands = command.get_subcommands().filter(|command| command.get_name() != "help");
    commands.flat_map(|command| [vec![command], below(command)].concat()).collect()
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Man::new(command.clone()).render(&mut text)?;
    Roff::new().control("SH", ["EXIT STATUS"]).to_writer(&mut text)?;
    for exit in Exit::ALL {
        Roff::new()
            .control("TP", [])
            .text([bold(exit.code().to_string())])
            .text([roman(exit.meaning())])
            .to_writer(&mut text)?;
    }
    Ok(text)
}

/// A command within the one page of all.
fn section(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    Roff::new().control("SH", [name.to_uppercase().as_str()]).to_writer(&mut text)?;
    let man = Man::new(command.clone());
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    man.render_extra_section(&mut text)?;
    Ok(text)
}
