//! Jobs of the cores: done after a while, by the real store on a simulated disk, and watched by the oracles.

use std::rc::Rc;

use truecopy_protocol::input::Input;
use truecopy_protocol::job::{AnnounceError, Claim, Done, Durability, Job, JobResult, StorageError};
use truecopy_transport::store::Ran;

use super::agenda::{Happening, Life};
use super::host::Part;
use super::process::Process;
use super::weather::{MS, below};
use super::{World, panics, trace};
use crate::oracle::{Finding, Oracle, Standing, complete, destination, staged_claim};
use crate::plan::{End, Fault};

/// What must be known of a job when it is done.
enum About {
    Open,
    Land,
    Rehash { blob: truecopy_protocol::BlobId, offset: u64, len: u64 },
    Checkpoint(Vec<Claim>, Durability),
    Commit,
    Other,
}

impl World<'_> {
    /// A core gives a job: it is done a while later.
    pub(super) fn give_job(&mut self, life: Life, job: Job) {
        let host = life.0;
        if let Job::Checkpoint(job) = &job {
            let now = self.now;
            if let Some(blocks) = &mut self.hosts[host].blocks {
                let checked = blocks.claimed(now, &job.claims);
                self.check(host, checked);
            }
        }
        self.judge_call(host, &job);
        if let Job::Announce(word) = &job
            && let Some(number) = self.process(life).map(Process::number)
            && self.announces(life, number, word)
        {
            if let Some(process) = self.process(life) {
                process.jobs.insert(number, job);
            }
            return;
        }
        let draws = &mut self.job_draws[host];
        let takes = match &job {
            Job::Read(_) | Job::Land(_) | Job::Sign(_) | Job::Verify(_) => 50_000 + below(draws, 400_000),
            Job::Rehash(_) => 100_000 + below(draws, MS),
            Job::Open(_) | Job::Commit(_) | Job::Announce(_) => MS + below(draws, 10 * MS),
            Job::Checkpoint(job) => match job.durability {
                Durability::Written => 50_000 + below(draws, 200_000),
                Durability::Synced => MS + below(draws, 10 * MS),
            },
        };
        let slow = self.hosts[host].slow_job(self.now);
        let slow = if slow > 0 { below(draws, slow) } else { 0 };
        if slow > 0 {
            self.coverage.fault("slow-disk");
        }
        let at = self.take_worker(host, takes + slow);
        let Some(process) = self.process(life) else { return };
        let number = process.number();
        process.jobs.insert(number, job);
        self.agenda.add(at, Happening::Work(life, number));
    }

    /// When a job is done that takes so long, with as many workers as there are.
    fn take_worker(&mut self, host: usize, takes: u64) -> u64 {
        let workers = usize::from(self.plan.tuning.workers.unwrap_or(0));
        if workers == 0 {
            return self.now + takes;
        }
        let now = self.now;
        let busy = &mut self.hosts[host].busy_until;
        busy.resize(workers, 0);
        let Some(free) = busy.iter_mut().min() else { return now + takes };
        *free = (*free).max(now) + takes;
        *free
    }

    /// A job is done now.
    pub(super) fn work(&mut self, life: Life, number: u64) {
        let host = life.0;
        let content = Rc::clone(&self.content);
        let Some(process) = self.process(life) else { return };
        let Some(job) = process.jobs.remove(&number) else { return };
        let stores = process.stores.clone();
        let about = self.before(host, &job);
        let panicked = panics::count();
        let kind = trace::job_kind(&job);
        let done = match stores.run(job) {
            Ran::Done(done) => done,
            Ran::Sign(job) => {
                let signature = self.hosts[host].identity.sign(&job.statement);
                job.done(signature)
            }
            Ran::Verify(job) => {
                let verdict = self.hosts[host].identity.verify(&job);
                job.done(verdict)
            }
            // No such tracker is in the plan.
            Ran::Announce(job) => job.done(Err(AnnounceError::Unreachable)),
        };
        if panics::count() > panicked {
            self.fail(
                Some(host),
                Finding::new(Oracle::Panic, "panic in a store", format!("in a {kind} job")),
            );
        }
        if self.hosts[host].disk.is_down() {
            return self.stopped_at_call(host);
        }
        self.after(host, &about, &done, &content);
        let Some(process) = self.process(life) else { return };
        process.answers.insert(number, done);
        // Most answers come at once; some after others that were done later.
        let draws = &mut self.job_draws[host];
        let late = if draws.below(4) == 0 { below(draws, 300_000) } else { 0 };
        self.agenda.add(self.now + late, Happening::Answer(life, number));
    }

    /// The disk has stopped at the call that the plan says: the process or the machine ends there.
    pub(super) fn stopped_at_call(&mut self, host: usize) {
        let found = self.plan.faults.iter().find_map(|fault| match *fault {
            Fault::CrashAtCall { host: of, down_ms, end, .. } if usize::from(of) == host => {
                Some((down_ms, end))
            }
            _ => None,
        });
        let (down_ms, end) = found.unwrap_or((0, End::Kill));
        self.coverage.fault("crash-at-call");
        self.crash(host, end, down_ms);
    }

    fn before(&mut self, host: usize, job: &Job) -> About {
        match job {
            Job::Open(_) => About::Open,
            Job::Land(job) => {
                let content = Rc::clone(&self.content);
                if let Some(blocks) = &mut self.hosts[host].blocks {
                    blocks.land(&job.extents, job.buf.filled(), &content);
                }
                About::Land
            }
            Job::Rehash(job) => {
                let (offset, len) = (job.range.start, job.range.end - job.range.start);
                About::Rehash { blob: job.blob, offset, len }
            }
            Job::Checkpoint(job) => About::Checkpoint(job.claims.clone(), job.durability),
            Job::Commit(_) => About::Commit,
            Job::Read(_) | Job::Sign(_) | Job::Verify(_) | Job::Announce(_) => About::Other,
        }
    }

    /// Every claim is looked at when it is made.
    fn after(&mut self, host: usize, about: &About, done: &Done, content: &crate::content::Content) {
        let lies = self.disk_lies(host);
        let Some(blocks) = &mut self.hosts[host].blocks else { return };
        match (about, done.result()) {
            (About::Open, JobResult::Open(Ok(opened))) => {
                if lies {
                    blocks.opened_doubtfully(opened, content);
                } else {
                    let checked = blocks.opened(opened, content);
                    self.check(host, checked);
                }
                if !opened.claims.is_empty() {
                    self.coverage.branch("resumed with claims");
                }
            }
            (About::Rehash { blob, offset, len }, JobResult::Rehash(Ok(_))) => {
                blocks.rehashed(*blob, *offset, *len);
            }
            (About::Checkpoint(claims, durability), JobResult::Checkpoint(Ok(()))) => {
                blocks.checkpointed(claims, *durability);
                self.check_claims(host, claims, Standing::Seen);
                if *durability == Durability::Synced {
                    self.coverage.branch("synced checkpoint");
                    self.check_synced(host);
                }
            }
            // What a sync that failed has covered counts no more, and a commit syncs.
            (About::Checkpoint(..), JobResult::Checkpoint(Err(_)))
            | (About::Commit, JobResult::Commit(Err(_))) => {
                blocks.revoked();
            }
            (About::Commit, JobResult::Commit(Ok(outcome))) => {
                self.coverage.branch("committed");
                let disk = self.hosts[host].disk.clone();
                for standing in [Standing::Seen, Standing::Durable] {
                    let checked = complete(&disk, content, outcome, standing);
                    self.check(host, checked);
                }
            }
            (_, result) => {
                if failed_for_space(result) {
                    self.coverage.branch("no space");
                }
            }
        }
        self.look_at_names(host);
    }

    /// S3 and S4, whenever a name has changed.
    pub(super) fn look_at_names(&mut self, host: usize) {
        let version = self.hosts[host].disk.names_version();
        if self.hosts[host].names_seen != version && self.hosts[host].part == Part::Receiver {
            self.hosts[host].names_seen = version;
            let content = Rc::clone(&self.content);
            let disk = self.hosts[host].disk.clone();
            let checked = destination(&disk, &content, Standing::Seen);
            self.check(host, checked);
        }
    }

    fn check_claims(&mut self, host: usize, claims: &[Claim], standing: Standing) {
        let content = Rc::clone(&self.content);
        let disk = self.hosts[host].disk.clone();
        for claim in claims {
            let checked = staged_claim(&disk, &content, claim, standing);
            self.check(host, checked);
        }
    }

    /// S2 for everything that counts as synced: it must stand on the platter.
    fn check_synced(&mut self, host: usize) {
        let synced = self.synced_claims(host);
        self.check_claims(host, &synced, Standing::Durable);
    }

    /// The chunks of a receiver that count as synced, as claims.
    pub(super) fn synced_claims(&self, host: usize) -> Vec<Claim> {
        use crate::oracle::State;
        let Some(blocks) = &self.hosts[host].blocks else { return Vec::new() };
        let hash = truecopy_protocol::Hash::ZERO;
        (0..)
            .zip(blocks.states())
            .filter(|(_, state)| **state == State::Synced)
            .map(|(chunk, _)| Claim { chunk: truecopy_protocol::ChunkIndex(chunk), hash })
            .collect()
    }

    pub(super) fn answer(&mut self, life: Life, number: u64) {
        if let Some(done) = self.process(life).and_then(|process| process.answers.remove(&number)) {
            self.feed(life, Input::Done(done));
        }
    }
}

fn failed_for_space(result: &JobResult) -> bool {
    matches!(
        result,
        JobResult::Open(Err(StorageError::NoSpace))
            | JobResult::Land(Err(StorageError::NoSpace))
            | JobResult::Checkpoint(Err(StorageError::NoSpace))
            | JobResult::Commit(Err(StorageError::NoSpace))
    )
}
