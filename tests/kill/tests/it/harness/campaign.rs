//! Rounds of start, load, kill and restart over one database after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tidings_kill_tests::plan::{Durability, Place, Plan, Twin, Until};
use tidings_kill_tests::random::Random;
use tidings_kill_tests::words::Word;

use super::acks::Acks;
use super::audit::{Audit, Expected, Kind, audit};
use super::figures::Figures;
use super::fleet::LEASE;
use super::provider::{Faults, Provider, Stage};
use super::victim::{End, Victim};

/// What a campaign is run with.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Each has a caller of its own.
    pub(crate) accounts: usize,
    /// A database of PostgreSQL, instead of a file.
    pub(crate) postgres: Option<String>,
    pub(crate) vfs: Option<&'static str>,
    pub(crate) durability: Durability,
    pub(crate) twin: Option<Twin>,
    pub(crate) trouble: bool,
    /// Some charges cannot be called off while they finish; not where another runtime may be needed for that.
    pub(crate) stubborn: bool,
    /// What goes wrong at the provider.
    pub(crate) faults: Faults,
}

impl Default for Setting {
    fn default() -> Self {
        let (durability, faults) = (Durability::Full, Faults::BAD_DAY);
        Self {
            accounts: 6,
            postgres: None,
            vfs: None,
            durability,
            twin: None,
            trouble: true,
            stubborn: false,
            faults,
        }
    }
}

pub(crate) struct Campaign {
    setting: Setting,
    pub(crate) random: Random,
    folder: TempDir,
    pub(crate) provider: Provider,
    pub(crate) acks: Acks,
    pub(crate) figures: Figures,
    /// Promises broken in what victims said.
    broken: Vec<String>,
    /// How long the last start took that was not killed.
    start_takes: Duration,
}

/// When a victim is killed.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::enum_variant_names, reason = "each is after something, and says after what")]
enum Moment {
    AfterSpawn(Duration),
    AfterReady(Duration),
    /// Under load for a while, then as soon as the victim says that something is done.
    AsTold(Duration, Told),
    /// Under load for a while, then at the next request to the provider, before or after it is booked.
    WhileAnswering(Duration, Stage),
    /// Under load for a while, then told to stop, then killed.
    AfterStop(Duration, Duration),
}

/// What a victim says to be done.
#[derive(Clone, Copy, Debug)]
enum Told {
    Command,
    Charge,
}

impl Told {
    fn is(self, word: &Word) -> bool {
        match self {
            Self::Command => matches!(word, Word::Done { .. }),
            Self::Charge => matches!(word, Word::Charged { .. }),
        }
    }
}

impl Campaign {
    pub(crate) fn new(name: &'static str, setting: Setting, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (folder, provider) = begin(&setting, &mut random);
        Self {
            acks: Acks::new(setting.accounts),
            setting,
            random,
            folder,
            provider,
            figures: Figures::new(name, seed),
            broken: Vec::new(),
            start_takes: Duration::from_millis(30),
        }
    }

    /// The file, where it is one.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("books.db")
    }

    pub(crate) fn place(&self) -> Place {
        if let Some(url) = &self.setting.postgres {
            return Place::Postgres { url: url.clone() };
        }
        Place::Sqlite {
            file: self.database(),
            vfs: self.setting.vfs.map(str::to_owned),
            durability: self.setting.durability,
        }
    }

    /// A life of this campaign, with every caller behind its last acknowledgement.
    pub(crate) fn plan(&mut self) -> Plan {
        Plan {
            place: self.place(),
            twin: self.setting.twin,
            callers: self.acks.callers(),
            last_seq: None,
            until: Until::Told,
            without: Vec::new(),
            trouble: self.setting.trouble,
            poison: None,
            lethal: None,
            freeze: None,
            stubborn: self.setting.stubborn,
            provider: self.provider.address(),
            lease_seconds: 30.0,
            kills_max: None,
            seed: self.random.draw(),
        }
    }

    /// Start, load, kill.
    pub(crate) fn round(&mut self) {
        let moment = self.moment();
        let plan = self.plan();
        let started = Instant::now();
        let mut victim = Victim::start(&plan);
        let end = match moment {
            Moment::AfterSpawn(delay) => {
                std::thread::sleep(delay);
                victim.kill()
            }
            Moment::AfterReady(delay) => {
                self.await_ready(&mut victim, started);
                std::thread::sleep(delay);
                victim.kill()
            }
            Moment::AsTold(load, told) => {
                self.await_ready(&mut victim, started);
                std::thread::sleep(load);
                if victim.hears_next_within(WORK_COMES, |word| told.is(word)) {
                    self.figures.as_told += 1;
                }
                victim.kill()
            }
            Moment::WhileAnswering(load, stage) => {
                self.await_ready(&mut victim, started);
                std::thread::sleep(load);
                let trap = self.provider.hold_next(stage);
                if trap.catches_within(WORK_COMES).is_some() {
                    self.figures.while_answering += 1;
                }
                // Only when its caller is dead the provider goes on.
                let end = victim.kill();
                drop(trap);
                end
            }
            Moment::AfterStop(load, delay) => {
                self.await_ready(&mut victim, started);
                std::thread::sleep(load);
                victim.tell_to_stop();
                std::thread::sleep(delay);
                victim.kill()
            }
        };
        self.figures.rounds += 1;
        match phase(&end) {
            Some(phase) => *self.figures.kills.entry(phase).or_default() += 1,
            None => self.figures.too_late += 1,
        }
        self.learn(&end);
    }

    fn await_ready(&mut self, victim: &mut Victim, started: Instant) {
        if victim.hears(|word| *word == Word::Ready) {
            self.start_takes = started.elapsed();
        }
    }

    fn moment(&mut self) -> Moment {
        match self.random.below(20) {
            0..4 => Moment::AfterSpawn(self.up_to(self.start_takes * 5 / 4)),
            4..10 => Moment::AfterReady(self.some_while()),
            10 => Moment::AsTold(self.some_while(), Told::Command),
            11..13 => Moment::AsTold(self.some_while(), Told::Charge),
            13..15 => Moment::WhileAnswering(self.some_while(), Stage::BeforeBooking),
            15..17 => Moment::WhileAnswering(self.some_while(), Stage::AfterBooking),
            _ => {
                let load = self.some_while();
                Moment::AfterStop(load, self.up_to(Duration::from_millis(12)))
            }
        }
    }

    /// A random time, evenly.
    pub(crate) fn up_to(&mut self, longest: Duration) -> Duration {
        let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.random.below(micros))
    }

    /// From nothing to a quarter of a second, short ones as likely as long ones.
    fn some_while(&mut self) -> Duration {
        let longest = Duration::from_millis(1 << self.random.below(9));
        self.up_to(longest)
    }

    /// Takes note of a promise that was broken.
    pub(crate) fn breaks(&mut self, problem: String) {
        self.broken.push(problem);
    }

    /// Takes note of what a victim said.
    pub(crate) fn learn(&mut self, end: &End) {
        for word in &end.words {
            if let Err(problem) = self.acks.learn(word, &mut self.figures) {
                self.broken.push(problem);
            }
        }
    }

    /// Lets everything be handled that waits, without new load, and without asking again.
    pub(crate) fn settle(&mut self) {
        let plan = Plan { callers: Vec::new(), until: Until::Settled, ..self.plan() };
        let plan = match self.setting.postgres {
            // The settling process takes over from those who are gone.
            Some(_) => Plan { lease_seconds: LEASE.as_secs_f64(), ..plan },
            None => plan,
        };
        let end = Victim::start(&plan).end();
        self.learn(&end);
        if !end.is_orderly() || !end.said(&Word::Settled) {
            self.broken.push(format!("the application did not settle: {}", end.status));
        }
    }

    /// Settles, then holds the database against the acknowledgements.
    pub(crate) fn audit(&mut self) -> Audit {
        self.settle();
        let found = self.audit_as_it_is(&Expected::default());
        self.figures.audits += 1;
        found
    }

    /// Holds the database against the acknowledgements, and against the provider's ledger.
    pub(crate) fn audit_as_it_is(&mut self, expected: &Expected<'_>) -> Audit {
        let mut found = audit(&self.place(), &self.acks, &self.provider.ledger(), expected);
        for problem in self.broken.drain(..) {
            found.add(Kind::Words, problem);
        }
        found
    }

    /// Adds what an audit counted, and goes on with an empty database.
    pub(crate) fn begin_anew(&mut self, last: &Audit) {
        self.count(last);
        (self.folder, self.provider) = begin(&self.setting, &mut self.random);
        self.acks = Acks::new(self.setting.accounts);
    }

    pub(crate) fn count(&mut self, last: &Audit) {
        self.figures.effects += last.effects;
        self.figures.messages += last.messages;
        self.figures.single_receipts += last.single_receipts;
        self.figures.jobs += last.jobs;
    }
}

/// What is waited for under load comes before this, or the victim has nothing to do.
pub(crate) const WORK_COMES: Duration = Duration::from_secs(2);

/// An empty folder, with a provider that has booked nothing.
fn begin(setting: &Setting, random: &mut Random) -> (TempDir, Provider) {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let provider = Provider::open(folder.path(), setting.faults, random.draw());
    (folder, provider)
}

/// What a victim was doing when it was killed, from its words; `None` if it had ended by itself.
pub(crate) fn phase(end: &End) -> Option<&'static str> {
    let acknowledged = |word: &Word| matches!(word, Word::Done { .. } | Word::Rejected { .. });
    if end.is_orderly() {
        None
    } else if end.said(&Word::Stopping) {
        Some("stopping")
    } else if end.words.iter().any(acknowledged) {
        Some("under load")
    } else if end.said(&Word::Ready) {
        Some("before the first answer")
    } else {
        Some("starting")
    }
}
