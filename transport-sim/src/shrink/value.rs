//! Faults as tables, so that one piece of code can change the numbers of all of them.

use toml::{Table, Value};

use crate::plan::Fault;

/// Fields that name a host.
const HOSTS: [&str; 3] = ["host", "sender", "receiver"];

/// Fields that say when, in milliseconds.
const STARTS: [&str; 2] = ["from_ms", "at_ms"];

fn table(fault: &Fault) -> Option<Table> {
    Table::try_from(fault).ok()
}

fn fault(table: Table) -> Option<Fault> {
    table.try_into().ok()
}

/// When it begins, in milliseconds, if it says so.
pub(super) fn starts_ms(fault: &Fault) -> Option<u64> {
    let table = table(fault)?;
    let start = STARTS.iter().find_map(|name| table.get(*name))?;
    start.as_integer().and_then(|start| u64::try_from(start).ok())
}

/// The same fault when a host is gone and those behind it have moved up; none if it was about that host.
pub(super) fn without_host(of: &Fault, gone: i64) -> Option<Fault> {
    let mut table = table(of)?;
    for name in HOSTS {
        if let Some(Value::Integer(host)) = table.get_mut(name) {
            if *host == gone {
                return None;
            }
            *host -= i64::from(*host > gone);
        }
    }
    fault(table)
}

/// The paths of all its numbers but those that name hosts: of tables inside it, too.
pub(super) fn numbers(fault: &Fault) -> Vec<(Vec<String>, i64)> {
    fn walk(table: &Table, path: &[String], found: &mut Vec<(Vec<String>, i64)>) {
        for (name, value) in table {
            let path = [path, std::slice::from_ref(name)].concat();
            match value {
                Value::Integer(_) if HOSTS.contains(&name.as_str()) => {}
                Value::Integer(number) => found.push((path, *number)),
                Value::Table(inner) => walk(inner, &path, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    if let Some(table) = table(fault) {
        walk(&table, &[], &mut found);
    }
    found
}

/// The same fault with another number at this path; none if it cannot have that.
pub(super) fn with_number(of: &Fault, path: &[String], number: i64) -> Option<Fault> {
    let mut table = table(of)?;
    let (last, inner) = path.split_last()?;
    let mut at = &mut table;
    for name in inner {
        at = at.get_mut(name)?.as_table_mut()?;
    }
    at.insert(last.clone(), Value::Integer(number));
    fault(table)
}
