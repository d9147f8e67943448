//! `config.toml`: defaults for flags, by their long names; for all commands at the top, for one in a table of its name.
//!
//! ```toml
//! quiet = true
//! [get]
//! dir = "/home/me/Downloads"
//! on-conflict = "rename"
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use clap::Command;
use clap::builder::{OsStr, Resettable};
use toml::{Table, Value};

use crate::escape::Shown;
use crate::exit::{Error, Result};

/// Reads the file; nothing if there is none.
pub(super) fn read(path: &Path) -> Result<Table> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Table::new()),
        Err(error) => return Err(Error::local("read", path, &error)),
    };
    text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
        let what = format!("{} line {line}: {}", Shown::path(path), error.message());
        Error::usage(what).hint("correct the file, or move it away")
    })
}

/// Makes its values the defaults of the flags.
pub(super) fn apply(mut model: Command, config: &Table, path: &Path) -> Result<Command> {
    let flags = flags(&model);
    let commands: Vec<String> = model.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for (key, value) in config {
        if let (Value::Table(table), true) = (value, commands.contains(key)) {
            for (key_inside, value) in table {
                let has = |c: &Command| c.get_name() == key && has_flag(c, key_inside);
                if !model.get_subcommands().any(has) {
                    return Err(unknown(path, &format!("{key}.{key_inside}"), &flags_of(&model, key)));
                }
                let values = values(path, key_inside, value)?;
                model = model.mut_subcommand(key, |command| with_default(command, key_inside, &values));
            }
        } else if flags.contains(key.as_str()) {
            let values = values(path, key, value)?;
            for name in &commands {
                // A table of the command, wherever it stands, is more special.
                let special = config.get(name).and_then(Value::as_table).is_some_and(|t| t.contains_key(key));
                if !special {
                    model = model.mut_subcommand(name, |command| with_default(command, key, &values));
                }
            }
        } else {
            return Err(unknown(path, key, &flags));
        }
    }
    Ok(model)
}

fn flags(model: &Command) -> BTreeSet<String> {
    model.get_subcommands().flat_map(|c| flags_of(model, c.get_name())).collect()
}

fn flags_of(model: &Command, command: &str) -> BTreeSet<String> {
    let command = model.get_subcommands().find(|c| c.get_name() == command);
    let flags = command.into_iter().flat_map(Command::get_arguments).filter(|arg| arg.get_env().is_some());
    flags.filter_map(|arg| arg.get_long().map(str::to_owned)).collect()
}

fn has_flag(command: &Command, flag: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some(flag) && arg.get_env().is_some())
}

fn with_default(command: Command, flag: &str, values: &[String]) -> Command {
    let id = command.get_arguments().find(|arg| arg.get_long() == Some(flag)).map(|arg| arg.get_id().clone());
    match id {
        Some(id) => command.mut_arg(id.as_str(), |arg| {
            let defaults = values.iter().map(|value| OsStr::from(value.clone()));
            // A flag that must be given is given by its default.
            arg.required(false).default_value(Resettable::Reset).default_values(defaults)
        }),
        None => command,
    }
}

fn values(path: &Path, key: &str, value: &Value) -> Result<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    };
    let all = match value {
        Value::Array(values) => values.iter().map(one).collect(),
        other => one(other).map(|value| vec![value]),
    };
    all.ok_or_else(|| {
        let what = format!("{}: {} has a value of a kind that no flag takes", Shown::path(path), shown(key));
        Error::usage(what).hint("use a text, a number, true or false, or a list of those")
    })
}

fn unknown(path: &Path, key: &str, known: &BTreeSet<String>) -> Error {
    let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    Error::usage(format!("{}: unknown key {}", Shown::path(path), shown(key)))
        .hint(format!("known keys: {known}"))
}

fn shown(key: &str) -> Shown {
    Shown::name(key.as_bytes())
}
