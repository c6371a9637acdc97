//! Who may move a cursor: processes that take hold of one partition, are frozen, thawed and taken over, on a server that
//! may fail over to a standby that lacks the last commits.
//!
//! A commit of a cursor is three steps: the handler runs in a transaction, the fence is checked there, which locks the
//! partition's row, and the transaction commits. A process can be frozen between any two of them; the server ends a
//! transaction of a frozen process after a while, or does not.

use crate::checker::{Model, finds, holds};

/// What the store does, or what might be taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fencing {
    Whole,
    /// The fence is not looked at.
    None,
    /// The fence is looked at, and the row is not locked until the commit.
    WithoutLock,
    /// The next fence is the last one and one, and only the fence is looked at: the standby may give one out that is
    /// on the old server's record.
    Counted,
    /// Leases from before a failover count after it.
    AcrossLives,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Row {
    holder: Option<usize>,
    fence: u8,
    cursor: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Idle,
    Holding {
        fence: u8,
        cursor: u8,
        life: u8,
    },
    Working {
        fence: u8,
        cursor: u8,
        life: u8,
    },
    /// The fence is checked, and the row is locked (or should be).
    Checked {
        fence: u8,
        cursor: u8,
        life: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    phase: Phase,
    frozen: bool,
    /// Its lease has not lapsed. On the database's clock: a frozen process does not renew it, a running one may be late.
    live: bool,
    /// The server has ended its transaction, which it does not know.
    cut: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    row: Row,
    /// What the standby has: the row as it was at some commit.
    standby: Row,
    processes: Vec<Process>,
    life: u8,
    /// Fences that were given out, for fresh ones not to be among them.
    given: u8,
    wrong: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Hold(usize),
    Begin(usize),
    Check(usize),
    Commit(usize),
    Freeze(usize),
    Thaw(usize),
    Lapse(usize),
    Renew(usize),
    ServerEndsTransaction(usize),
    StandbyCatchesUp,
    Failover,
}

struct Leases {
    fencing: Fencing,
    processes: usize,
    failovers: u8,
}

const CURSOR_MAX: u8 = 2;
const FENCES_MAX: u8 = 4;

impl Leases {
    fn locked_by(state: &State) -> Option<usize> {
        state.processes.iter().position(|one| matches!(one.phase, Phase::Checked { .. }) && !one.cut)
    }

    fn is_free(&self, state: &State) -> bool {
        let lock = Self::locked_by(state).is_none() || self.fencing == Fencing::WithoutLock;
        let live = state.row.holder.is_some_and(|holder| state.processes[holder].live);
        (lock || self.fencing == Fencing::None) && !live && state.given < FENCES_MAX
    }

    fn hold(&self, state: &mut State, by: usize) {
        state.given += 1;
        let fence = if matches!(self.fencing, Fencing::Counted) { state.row.fence + 1 } else { state.given };
        state.row = Row { holder: Some(by), fence, ..state.row };
        state.processes[by].live = true;
        state.processes[by].phase = Phase::Holding { fence, cursor: state.row.cursor, life: state.life };
    }

    fn accepts(&self, state: &State, fence: u8, life: u8) -> bool {
        let same_life = life == state.life || matches!(self.fencing, Fencing::AcrossLives | Fencing::Counted);
        self.fencing == Fencing::None || (state.row.fence == fence && same_life)
    }

    fn commit(&self, state: &mut State, by: usize) {
        let Phase::Checked { fence, cursor, life } = state.processes[by].phase else { return };
        if std::mem::take(&mut state.processes[by].cut) {
            state.processes[by].phase = Phase::Idle;
            return;
        }
        if state.row.cursor != cursor {
            state.wrong = Some("two commits move on from one cursor");
        } else if state.row.holder != Some(by) {
            state.wrong = Some("a commit by one who does not hold");
        } else if life != state.life && self.fencing != Fencing::Counted {
            state.wrong = Some("a commit of what was read in another life of the server");
        }
        state.row.cursor += 1;
        state.processes[by].phase = Phase::Holding { fence, cursor: cursor + 1, life };
    }

    fn fail_over(state: &mut State) {
        state.row = state.standby.clone();
        state.life += 1;
        for process in &mut state.processes {
            // Its connection is gone, and with it its transaction.
            process.cut = matches!(process.phase, Phase::Working { .. } | Phase::Checked { .. });
        }
    }
}

impl Model for Leases {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let process = Process { phase: Phase::Idle, frozen: false, live: false, cut: false };
        State {
            row: Row::default(),
            standby: Row::default(),
            processes: vec![process; self.processes],
            life: 0,
            given: 0,
            wrong: None,
        }
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step>) {
        for (index, process) in state.processes.iter().enumerate() {
            if process.live {
                steps.push(Step::Lapse(index));
            }
            let open = matches!(process.phase, Phase::Working { .. } | Phase::Checked { .. });
            if process.frozen {
                steps.push(Step::Thaw(index));
                if open && !process.cut {
                    steps.push(Step::ServerEndsTransaction(index));
                }
                continue;
            }
            steps.push(Step::Freeze(index));
            match process.phase {
                Phase::Idle if self.is_free(state) => steps.push(Step::Hold(index)),
                Phase::Holding { cursor, .. } if cursor < CURSOR_MAX => steps.push(Step::Begin(index)),
                Phase::Working { .. } => {
                    let locked = Self::locked_by(state).is_some_and(|by| by != index);
                    let waits = locked && !matches!(self.fencing, Fencing::None | Fencing::WithoutLock);
                    if !waits {
                        steps.push(Step::Check(index));
                    }
                }
                Phase::Checked { .. } => steps.push(Step::Commit(index)),
                _ => {}
            }
            if !process.live && state.row.holder == Some(index) {
                steps.push(Step::Renew(index));
            }
        }
        if self.failovers > 0 && state.standby != state.row {
            steps.push(Step::StandbyCatchesUp);
        }
        if state.life < self.failovers {
            steps.push(Step::Failover);
        }
    }

    fn take(&self, state: &State, step: Step) -> State {
        let mut next = state.clone();
        match step {
            Step::Hold(by) => self.hold(&mut next, by),
            Step::Begin(by) => {
                if let Phase::Holding { fence, cursor, life } = state.processes[by].phase {
                    next.processes[by].phase = Phase::Working { fence, cursor, life };
                }
            }
            Step::Check(by) => {
                if let Phase::Working { fence, cursor, life } = state.processes[by].phase {
                    let counts = !state.processes[by].cut && self.accepts(state, fence, life);
                    next.processes[by].cut = false;
                    next.processes[by].phase =
                        if counts { Phase::Checked { fence, cursor, life } } else { Phase::Idle };
                }
            }
            Step::Commit(by) => self.commit(&mut next, by),
            Step::Freeze(by) => next.processes[by].frozen = true,
            Step::Thaw(by) => next.processes[by].frozen = false,
            Step::Lapse(by) => next.processes[by].live = false,
            Step::Renew(by) => next.processes[by].live = true,
            Step::ServerEndsTransaction(by) => next.processes[by].cut = true,
            Step::StandbyCatchesUp => next.standby = state.row.clone(),
            Step::Failover => Self::fail_over(&mut next),
        }
        next
    }

    fn check(&self, state: &State) -> Result<(), String> {
        state.wrong.map_or(Ok(()), |wrong| Err(wrong.to_owned()))
    }
}

#[test]
fn no_two_holders_move_a_cursor_from_one_place() {
    holds("leases, three processes", &Leases { fencing: Fencing::Whole, processes: 3, failovers: 0 });
}

#[test]
fn a_failover_that_loses_commits_voids_all_leases() {
    holds("leases, with a failover", &Leases { fencing: Fencing::Whole, processes: 2, failovers: 1 });
}

fn twin(fencing: Fencing, failovers: u8, expected: &str) {
    finds(&format!("twin {fencing:?}"), expected, &Leases { fencing, processes: 2, failovers });
}

#[test]
fn a_store_without_fences_is_caught() {
    twin(Fencing::None, 0, "by one who does not hold");
}

#[test]
fn a_fence_that_is_not_locked_until_the_commit_is_caught() {
    twin(Fencing::WithoutLock, 0, "by one who does not hold");
}

#[test]
fn a_fence_that_is_counted_on_is_caught_at_a_failover() {
    twin(Fencing::Counted, 1, "by one who does not hold");
}

#[test]
fn a_lease_that_outlives_a_failover_is_caught() {
    twin(Fencing::AcrossLives, 1, "another life");
}
