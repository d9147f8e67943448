//! From a survey and a policy to a plan.

use std::io;
use std::ops::Range;

use truecopy_protocol::EntryIndex;
use truecopy_protocol::content::manifest::EntryKind;
use truecopy_protocol::content::name::{NAME_MAX, RelPath, RelPathBuf};
use truecopy_protocol::job::StorageError;

use super::error::{again, fail, if_there, storage_error};
use super::layout::path;
use super::plan::{Conflict, ConflictReason, OnConflict, OnImpossible, Placing, Plan};
use super::survey::Survey;
use super::targets::{Target, top_name};
use crate::disk::{Disk, FileKind};

const TRIES_MAX: u32 = 10_000;

impl Survey {
    /// Makes a plan by these policies, or tells (`Ok(Err(…))`) what they leave unresolved. Candidates that were not
    /// checked count as different.
    ///
    /// # Errors
    /// What the disk says while free names are looked for.
    pub fn decide<D: Disk>(
        &self,
        disk: &D,
        on_conflict: OnConflict,
        on_impossible: OnImpossible,
    ) -> Result<Result<Plan, Vec<Conflict>>, StorageError> {
        self.weigh(disk, on_conflict, on_impossible).map_err(storage_error)
    }

    fn weigh<D: Disk>(
        &self,
        disk: &D,
        on_conflict: OnConflict,
        on_impossible: OnImpossible,
    ) -> io::Result<Result<Plan, Vec<Conflict>>> {
        let mut plan = Plan {
            targets: self.targets.clone(),
            placing: self.placing.clone(),
            placed: self.placed.clone(),
            already: self.already.clone(),
            ..Plan::default()
        };
        let mut open = Vec::new();
        for index in self.impossible.iter().filter(|index| self.selection.contains(**index)) {
            match on_impossible {
                OnImpossible::Skip => plan.left_out.push(*index),
                OnImpossible::Fail => open.extend(self.one(*index, ConflictReason::Impossible)),
            }
        }
        let unchecked = self.candidates.iter().filter_map(|index| self.one(*index, ConflictReason::Differs));
        let conflicts: Vec<Conflict> = self.conflicts.iter().cloned().chain(unchecked).collect();
        for conflict in conflicts {
            let entries = conflict.first.0..conflict.first.0 + conflict.count;
            match on_conflict {
                OnConflict::Skip => plan.left_out.extend(self.wanted(entries)),
                OnConflict::Replace if conflict.reason.is_replaceable() => {
                    plan.replace.extend(self.wanted(entries))
                }
                OnConflict::Rename => self.rename(disk, conflict.first, &mut plan)?,
                OnConflict::Fail | OnConflict::Replace => open.push(conflict),
            }
        }
        plan.placed.sort_unstable();
        plan.already.sort_unstable();
        plan.left_out.sort_unstable();
        plan.left_out.dedup();
        plan.replace.sort_unstable();
        plan.needed = self.needed(disk, &plan)?;
        Ok(if open.is_empty() { Ok(plan) } else { Err(open) })
    }

    fn one(&self, index: EntryIndex, reason: ConflictReason) -> Option<Conflict> {
        let path = self.manifest.entry(index)?.path.to_owned();
        Some(Conflict { first: index, count: 1, path, reason })
    }

    fn wanted(&self, entries: Range<u32>) -> impl Iterator<Item = EntryIndex> {
        let known = |list: &[EntryIndex], index: &EntryIndex| list.binary_search(index).is_ok();
        entries.map(EntryIndex).filter(move |index| {
            self.selection.contains(*index) && !known(&self.placed, index) && !known(&self.impossible, index)
        })
    }

    /// Gives the top-level name of an entry a free one: all of it is fetched and placed anew.
    fn rename<D: Disk>(&self, disk: &D, entry: EntryIndex, plan: &mut Plan) -> io::Result<()> {
        let number = plan.targets.partition_point(|target| target.entries.end <= entry.0);
        let Some(target) = plan.targets.get(number) else { return Ok(()) };
        if plan.placing[number] == Placing::Whole {
            return Ok(());
        }
        let entries = target.entries.clone();
        let name = self.free_name(disk, target, &plan.targets)?;
        plan.targets[number].renamed = Some(name);
        plan.placing[number] = Placing::Whole;
        plan.placed.retain(|index| !entries.contains(&index.0));
        plan.already.retain(|index| !entries.contains(&index.0));
        Ok(())
    }

    fn free_name<D: Disk>(&self, disk: &D, target: &Target, all: &[Target]) -> io::Result<RelPathBuf> {
        let manifest = &self.manifest;
        let first = manifest.entry(EntryIndex(target.entries.start));
        let Some(first) = first else { return Err(fail(StorageError::Unsupported)) };
        let is_file = first.path.parent().is_none() && !matches!(first.kind, EntryKind::Directory);
        for number in 2..TRIES_MAX {
            let name = path(numbered(top_name(first.path), number, is_file))?;
            let in_share =
                all.iter().any(|other| other.name(manifest).is_ok_and(|taken| taken == name.as_path()));
            if !in_share && if_there(again(|| disk.metadata(name.as_path())))?.is_none() {
                return Ok(name);
            }
        }
        Err(fail(StorageError::Conflict))
    }

    /// Bytes to be written, less what is staged with its full length (and so with its space).
    fn needed<D: Disk>(&self, disk: &D, plan: &Plan) -> io::Result<u64> {
        let settled = plan.settled();
        let has_staging = if_there(again(|| disk.metadata(self.layout.folder())))?.is_some();
        let mut needed: u64 = 0;
        for (index, entry) in self.manifest.entries() {
            let EntryKind::File(file) = entry.kind else { continue };
            if self.selection.contains(index)
                && settled.binary_search(&index).is_err()
                && !(has_staging && is_staged(disk, self.layout.staged(entry.path)?.as_path(), file.size)?)
            {
                needed = needed.saturating_add(file.size);
            }
        }
        Ok(needed)
    }
}

fn is_staged<D: Disk>(disk: &D, staged: RelPath<'_>, size: u64) -> io::Result<bool> {
    let found = if_there(again(|| disk.metadata(staged)))?;
    Ok(found.is_some_and(|found| found.kind == FileKind::File && found.identity.size == size))
}

/// `name (2)`, or `stem (2).ext` for a file; cut, between characters, so that it stays a name.
fn numbered(name: &[u8], number: u32, is_file: bool) -> Vec<u8> {
    let dot = name.iter().rposition(|b| *b == b'.').filter(|at| is_file && *at > 0);
    let (stem, extension) = name.split_at(dot.unwrap_or(name.len()));
    let suffix = [format!(" ({number})").as_bytes(), extension].concat();
    let stem = cut(stem, NAME_MAX.saturating_sub(suffix.len()));
    if stem.is_empty() {
        // An extension as long as a name: the number goes to the end of a cut name.
        let suffix = format!(" ({number})");
        return [cut(name, NAME_MAX - suffix.len()), suffix.as_bytes()].concat();
    }
    [stem, &suffix].concat()
}

/// At most `max` bytes of a name, cut between characters if it is text.
fn cut(name: &[u8], max: usize) -> &[u8] {
    let max = max.min(name.len());
    let is_inside = |at: usize| name.get(at).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000);
    let keep = (max.saturating_sub(3)..=max).rev().find(|at| !is_inside(*at));
    &name[..keep.unwrap_or(max)]
}

#[cfg(test)]
mod tests;
