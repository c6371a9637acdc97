//! Several processes on one database of PostgreSQL, each with callers of accounts of its own.

mod leases;
mod member;
mod tally;

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidings_kill_tests::plan::Until;
use tidings_kill_tests::words::Word;

use super::audit::Audit;
use super::campaign::{Campaign, Setting, WORK_COMES, phase};
use super::figures::Figures;
use super::postgres::Database;
use super::proxy::Proxy;
use super::victim::{End, Victim};
pub(crate) use leases::Leases;
use member::Member;
pub(crate) use tally::Tally;

/// Processes that share the work.
pub(crate) const PROCESSES: usize = 3;

/// How long a worker that is not heard of keeps what it has, where that is what it is about.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// How long anything may take that has to happen. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct Fleet {
    pub(crate) campaign: Campaign,
    members: Vec<Member>,
    pub(crate) leases: Leases,
    pub(crate) tally: Tally,
    /// Nobody is killed for an audit.
    pub(crate) ends_in_order: bool,
    pub(crate) lease: Duration,
    pub(crate) database: Database,
    /// Dropped last.
    _turn: MutexGuard<'static, ()>,
}

impl Fleet {
    /// Makes an empty database on the server, and starts nobody yet.
    pub(crate) fn new(name: &'static str, server: &str, setting: Setting, seed: u64) -> Self {
        // One after the other: each of them keeps a machine busy.
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let database = Database::create(server);
        let setting = Setting { accounts: 12, postgres: Some(database.url().to_owned()), ..setting };
        Self {
            campaign: Campaign::new(name, setting, seed),
            members: (0..PROCESSES).map(|_| Member::default()).collect(),
            leases: Leases::of(database.url()),
            tally: Tally::default(),
            ends_in_order: false,
            lease: LEASE,
            database,
            _turn: turn,
        }
    }

    /// Puts a network between each process and the server.
    pub(crate) fn with_networks(mut self) -> Self {
        let server = address(self.database.url());
        for member in &mut self.members {
            member.network = Some(Proxy::open(server));
        }
        self
    }

    /// Starts those who do not run, and returns when all are ready.
    pub(crate) fn start(&mut self) {
        for place in 0..PROCESSES {
            if self.members[place].victim.is_none() {
                self.launch(place);
            }
        }
        for place in 0..PROCESSES {
            self.await_ready(place);
        }
    }

    /// Starts one, and does not wait for it.
    pub(crate) fn launch(&mut self, place: usize) {
        let member = &self.members[place];
        let mut plan = self.campaign.plan();
        let index = |account: &str| self.campaign.acks.index(account);
        plan.callers.retain(|caller| index(&caller.account).is_some_and(|index| member_of(index) == place));
        plan.lease_seconds = self.lease.as_secs_f64();
        plan.until = Until::Served;
        plan.without.clone_from(&member.without);
        if let Some(network) = &member.network {
            plan.place = through(self.database.url(), network);
        }
        self.members[place].victim = Some(Victim::start(&plan));
    }

    /// Waits until one is ready.
    pub(crate) fn await_ready(&mut self, place: usize) {
        let Some(victim) = &mut self.members[place].victim else { return };
        if !victim.has_said(&Word::Ready) && !victim.hears(|word| *word == Word::Ready) {
            let end = self.wait_for_end(place);
            panic!("process {place} did not start: {}, {:?}", end.status, end.words.last());
        }
    }

    /// Waits until one holds a partition, as long as work is waited for.
    pub(crate) fn await_partition(&mut self, place: usize) {
        let process = self.victim(place).id();
        let until = Instant::now() + WORK_COMES;
        while self.leases.held_by(process).partitions == 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills one with SIGKILL, and takes note of what it has said.
    pub(crate) fn kill(&mut self, place: usize) {
        let Some(victim) = self.members[place].victim.take() else { return };
        let end = victim.kill();
        match phase(&end) {
            Some(phase) => *self.campaign.figures.kills.entry(phase).or_default() += 1,
            None => self.campaign.figures.too_late += 1,
        }
        self.campaign.learn(&end);
    }

    /// Kills all of them at the same moment, as far as that goes.
    pub(crate) fn kill_all(&mut self) {
        for member in &mut self.members {
            if let Some(victim) = &mut member.victim {
                victim.strike();
            }
        }
        for place in 0..PROCESSES {
            self.kill(place);
        }
    }

    /// Stops one in order, and returns when it has ended: with what it said.
    pub(crate) fn stop(&mut self, place: usize) -> Option<End> {
        self.members[place].victim.as_mut()?.tell_to_stop();
        let process = self.victim(place).id();
        let end = self.wait_for_end(place);
        if !end.is_orderly() {
            self.campaign.breaks(format!("process {place} did not end in order: {}", end.status));
        } else if self.ends_in_order && self.leases.knows(process) {
            // Where nothing cuts connections. Elsewhere it may have been a worker before that it could not dismiss.
            self.campaign.breaks(format!("process {place} ended in order, and is still on record"));
        }
        Some(end)
    }

    fn wait_for_end(&mut self, place: usize) -> End {
        let victim = self.members[place].victim.take().expect("it runs");
        let end = victim.end();
        self.campaign.learn(&end);
        end
    }

    /// Leaves modules out of one, from its next start on.
    pub(crate) fn leave_out(&mut self, place: usize, modules: &[&str]) {
        self.members[place].without = modules.iter().map(|module| (*module).to_owned()).collect();
    }

    pub(crate) fn network(&self, place: usize) -> &Proxy {
        self.members[place].network.as_ref().expect("this fleet has networks")
    }

    pub(crate) fn victim(&mut self, place: usize) -> &mut Victim {
        self.members[place].victim.as_mut().expect("it runs")
    }

    /// Lets it work for a while: short ones are as likely as long ones.
    pub(crate) fn works_for_a_while(&mut self) {
        let longest = Duration::from_millis(64 << self.campaign.random.below(6));
        std::thread::sleep(self.campaign.up_to(longest));
    }

    /// Which member a process is.
    pub(crate) fn place_of(&self, process: u32) -> Option<usize> {
        let is_it = |member: &Member| member.victim.as_ref().is_some_and(|victim| victim.id() == process);
        self.members.iter().position(is_it)
    }

    /// Each of them is alive, and something new is done for a caller of each; how long the last of them took.
    pub(crate) fn all_go_on(&mut self) -> Duration {
        let since = Instant::now();
        for place in 0..PROCESSES {
            self.goes_on(place);
        }
        let took = since.elapsed();
        self.tally.recovered(took);
        took
    }

    /// See [`all_go_on`](Self::all_go_on).
    pub(crate) fn goes_on(&mut self, place: usize) {
        let is_done = |word: &Word| matches!(word, Word::Done { .. });
        let victim = self.members[place].victim.as_mut().expect("it runs");
        if victim.hears_next_within(PATIENCE, is_done) {
            return;
        }
        let is_alive = victim.is_alive();
        let last = victim.last_words(4);
        panic!(
            "process {place} does not go on; it is alive: {is_alive}; its last words: {last:?}\n{}",
            self.figures()
        );
    }

    /// Stops all, in order or by killing them, lets everything be handled, and holds the database against what was
    /// acknowledged.
    pub(crate) fn audit(&mut self) -> Audit {
        if !self.ends_in_order && self.campaign.random.below(2) == 0 {
            self.kill_all();
        }
        for place in 0..PROCESSES {
            self.stop(place);
        }
        // Whoever was killed is on record until somebody comes after its lease has lapsed.
        self.leases.lapse(PATIENCE);
        self.campaign.audit()
    }

    /// Fails if an audit has found anything; otherwise counts what is there, if it is the last one.
    pub(crate) fn check(&mut self, round: u32, is_last: bool) {
        let found = self.audit();
        assert!(
            found.is_clean(),
            "after round {round}\n{}\n{found}\n{}",
            self.figures(),
            self.database.url()
        );
        if is_last {
            self.campaign.count(&found);
        }
    }

    /// What the campaign came to.
    pub(crate) fn figures(&self) -> String {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or_default();
        format!("{}\n  {}; the machine's load is {load}", self.campaign.figures, self.tally)
    }

    pub(crate) fn figures_mut(&mut self) -> &mut Figures {
        &mut self.campaign.figures
    }
}

/// Whose callers write an account: so spread that all have nearly all ways of writing.
fn member_of(account: usize) -> usize {
    (account + account / 6) % PROCESSES
}

fn address(url: &str) -> SocketAddr {
    let (host, port) = host_and_port(url);
    let addresses = (host, port).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    addresses.unwrap_or_else(|| panic!("{url} has no address"))
}

/// The same database, by another way.
fn through(url: &str, network: &Proxy) -> tidings_kill_tests::plan::Place {
    let (start, end) = authority(url);
    let url = format!("{}127.0.0.1:{}{}", &url[..start], network.port(), &url[end..]);
    tidings_kill_tests::plan::Place::Postgres { url }
}

/// Where host and port are in a URL.
fn authority(url: &str) -> (usize, usize) {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |at| begin + at);
    let start = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    (start, end)
}

fn host_and_port(url: &str) -> (&str, u16) {
    let (start, end) = authority(url);
    let (host, port) = url[start..end].rsplit_once(':').unwrap_or((&url[start..end], "5432"));
    (host, port.parse().expect("a port is a number"))
}

#[test]
fn a_url_leads_through_a_network() {
    assert_eq!(host_and_port("postgres://u:p@h:5/a?b=c"), ("h", 5));
    assert_eq!(host_and_port("postgres://h/a"), ("h", 5432));
    let members: Vec<usize> = (0..12).map(member_of).collect();
    assert_eq!(members, [0, 1, 2, 0, 1, 2, 1, 2, 0, 1, 2, 0]);
}
