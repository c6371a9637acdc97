//! The log as PostgreSQL keeps it, small: transactions, their ids, positions from a sequence, snapshots; and one reader.
//!
//! What is modelled of PostgreSQL:
//! - A transaction has no id until it first writes. A savepoint in which something is written takes an id of its own, from
//!   the same counter, that no snapshot lists.
//! - A position is drawn when a row is written, and never given back.
//! - A statement sees what has been committed when it starts (READ COMMITTED). Whoever publishes may have seen all of that, so
//!   all of it is a cause of what he publishes.
//! - Rows become visible, and the transaction leaves the list of those that run, in one step: the commit.
//! - A crash ends what is open. The counter of ids goes back to behind the last one that is on disk, so an id may be given
//!   away a second time. It never goes back behind a commit.
//!
//! All messages have one key, since causal order is kept across keys, too.

use crate::checker::Model;
use crate::cursor::Window;
use crate::snapshot::Snapshot;

/// The first id a transaction gets.
const FIRST_XID: u64 = 10;

/// What may happen, and how much of it.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) transactions: usize,
    /// Rows that each transaction may write, those that a savepoint undoes included.
    pub(crate) rows: u8,
    /// Whether transactions may write something else first.
    pub(crate) touches: bool,
    pub(crate) savepoints: bool,
    /// How often the server crashes at most.
    pub(crate) crashes: u8,
    /// Whether the reader begins with what is new when it comes, and not with the oldest row.
    pub(crate) from_now: bool,
    /// How many rows the reader reads at once.
    pub(crate) limit: usize,
    /// How many rows it looks at for that.
    pub(crate) walk: usize,
}

/// The algorithm, or what might be taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// What the store does.
    Windows,
    /// A cursor is a position.
    BySequence,
    /// Below the oldest open transaction, by transaction id.
    ByTransaction,
    /// The same, where waiting is allowed.
    ByTransactionIfItMayWait,
    /// The window's end is taken after its rows were read.
    SnapshotAfterReading,
    /// A window that is half read gets a new end.
    EndMovesWhileReading,
    /// Rows carry the id of the savepoint that they were written in.
    IdsOfSavepoints,
    /// Each session draws a position ahead.
    CachedPositions,
    /// What was read before a crash of the server is committed after it.
    ReadBeforeACrash,
    /// The cursor is committed before what was read is handled.
    CursorFirst,
    /// What was open at the window's lower end is read beyond the place where the walk over the rest has stopped.
    BeyondTheWalk,
}

pub(crate) struct Log {
    pub(crate) bounds: Bounds,
    pub(crate) algorithm: Algorithm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fate {
    Open,
    Committed,
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Transaction {
    xid: Option<u64>,
    /// The highest of its ids, savepoints' included.
    highest: u64,
    fate: Fate,
    rows: u8,
    /// A position that was drawn ahead (`CachedPositions`).
    ahead: Option<i64>,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Row {
    transaction: usize,
    xid: u64,
    position: i64,
    /// The rows, as bits, that its publisher had seen.
    causes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Reader {
    Unregistered,
    Idle,
    /// Knows the window, has not read it; `life` is the server's when it looked.
    Looked {
        window: Window<Snapshot>,
        life: u8,
    },
    /// Has read rows, has not committed.
    Read {
        rows: Vec<usize>,
        next: Window<Snapshot>,
        life: u8,
    },
    /// `CursorFirst`: the cursor is moved, the rows are not handled.
    Moved {
        rows: Vec<usize>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    transactions: Vec<Transaction>,
    rows: Vec<Row>,
    next_xid: u64,
    next_position: i64,
    /// The highest id that has ended, of a savepoint or a transaction.
    last_ended: u64,
    /// The highest id of which a trace is surely on disk.
    on_disk: u64,
    life: u8,
    cursor: Window<Snapshot>,
    reader: Reader,
    /// The rows that were delivered, as bits.
    delivered: u32,
    wrong: Option<Wrong>,
}

/// What may be wrong with a delivery; the number is the row's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Wrong {
    NotCommitted(usize),
    Twice(usize),
    BeforeItsCause(usize),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Writes something that is no message.
    Touch(usize),
    Publish(usize),
    PublishInSavepoint(usize),
    PublishAndUndo(usize),
    DrawAhead(usize),
    Commit(usize),
    Abort(usize),
    /// Forgets the ids of which nothing is on disk, or none.
    ServerCrashes {
        forgets: bool,
    },
    ReaderRegisters,
    ReaderLooks,
    ReaderReads,
    ReaderCommits,
    ReaderDies,
}

impl State {
    fn present(&self) -> Snapshot {
        let xmax = self.last_ended + 1;
        let open = self.transactions.iter().filter(|one| one.fate == Fate::Open);
        let mut running: Vec<_> = open.filter_map(|one| one.xid).collect();
        running.sort_unstable();
        let xmin = running.first().copied().unwrap_or(self.next_xid).min(xmax);
        running.retain(|xid| *xid < xmax);
        Snapshot { xmin, xmax, running }
    }

    fn committed(&self, row: usize) -> bool {
        self.transactions[self.rows[row].transaction].fate == Fate::Committed
    }

    fn visible(&self) -> impl Iterator<Item = usize> {
        (0..self.rows.len()).filter(|row| self.committed(*row))
    }

    /// An id for a transaction, or for a savepoint of it.
    fn take_xid(&mut self, transaction: usize) -> u64 {
        self.transactions[transaction].highest = self.next_xid;
        self.next_xid += 1;
        self.next_xid - 1
    }

    fn xid_of(&mut self, transaction: usize) -> u64 {
        let xid = self.transactions[transaction].xid.unwrap_or_else(|| self.take_xid(transaction));
        self.transactions[transaction].xid = Some(xid);
        xid
    }

    fn draw(&mut self) -> i64 {
        self.next_position += 1;
        self.next_position - 1
    }

    fn ends(&mut self, transaction: usize, fate: Fate) {
        let ended = &mut self.transactions[transaction];
        ended.fate = fate;
        ended.ahead = None;
        self.last_ended = self.last_ended.max(ended.highest);
    }

    /// A commit brings everything to disk that was written before it: a trace of each id that has ended, at least.
    fn flush(&mut self) {
        self.on_disk = self.last_ended;
    }

    fn deliver(&mut self, rows: &[usize]) {
        for row in rows.iter().copied() {
            let wrong = if !self.committed(row) {
                Some(Wrong::NotCommitted(row))
            } else if self.delivered & 1 << row != 0 {
                Some(Wrong::Twice(row))
            } else if self.rows[row].causes & !self.delivered != 0 {
                Some(Wrong::BeforeItsCause(row))
            } else {
                None
            };
            self.wrong = self.wrong.or(wrong);
            self.delivered |= 1 << row;
        }
    }
}

impl Log {
    fn publish(&self, state: &mut State, transaction: usize, in_savepoint: bool) {
        let causes = state.visible().fold(0, |causes, row| causes | 1 << row);
        let mut xid = state.xid_of(transaction);
        if in_savepoint {
            let own = state.take_xid(transaction);
            if self.algorithm == Algorithm::IdsOfSavepoints {
                xid = own;
            }
        }
        let position = state.transactions[transaction].ahead.take().unwrap_or_else(|| state.draw());
        state.transactions[transaction].rows += 1;
        state.rows.push(Row { transaction, xid, position, causes });
    }

    fn is_by_transaction(&self) -> bool {
        matches!(self.algorithm, Algorithm::ByTransaction | Algorithm::ByTransactionIfItMayWait)
    }

    fn is_by_position_or_id(&self) -> bool {
        self.is_by_transaction()
            || matches!(self.algorithm, Algorithm::BySequence | Algorithm::SnapshotAfterReading)
    }

    /// The window that the reader reads next. The first two twins have none, and put what they need into its fields.
    fn look(&self, state: &State) -> Window<Snapshot> {
        let cursor = &state.cursor;
        match self.algorithm {
            Algorithm::BySequence => Window { hi: state.present(), ..cursor.clone() },
            Algorithm::ByTransaction | Algorithm::ByTransactionIfItMayWait => {
                let xmin = state.present().xmin;
                Window { hi: Snapshot { xmin, xmax: xmin, running: Vec::new() }, ..cursor.clone() }
            }
            Algorithm::EndMovesWhileReading if !cursor.is_closed() => {
                Window { hi: state.present(), ..cursor.clone() }
            }
            _ if cursor.is_closed() => Self::open(state, cursor),
            _ => cursor.clone(),
        }
    }

    /// As `window_open.sql` does.
    fn open(state: &State, before: &Window<Snapshot>) -> Window<Snapshot> {
        let unheard = |row: &&Row| row.xid >= before.hi.xmax;
        let rows: Vec<_> = state.visible().map(|row| &state.rows[row]).collect();
        let first = rows.iter().copied().filter(unheard).map(|row| row.position).min();
        let earlier = rows.iter().any(|row| before.hi.running.contains(&row.xid));
        before.open_to(state.present(), first, earlier)
    }

    /// As `read_after.sql` does: a walk over what the lower end had not heard of, which may stop before its end, and beside it
    /// what was open then.
    fn read_window(&self, state: &State, window: &Window<Snapshot>) -> (Vec<usize>, Window<Snapshot>) {
        let Bounds { limit, walk, .. } = self.bounds;
        let row = |index: &usize| &state.rows[*index];
        let mut by_position: Vec<_> = state.visible().collect();
        by_position.sort_unstable_by_key(|index| row(index).position);
        let walked: Vec<_> =
            by_position.iter().filter(|index| row(index).position > window.place()).take(walk).collect();
        let fresh = walked.iter().copied().copied();
        let fresh = fresh.filter(|index| row(index).xid >= window.lo.xmax && window.hi.sees(row(index).xid));
        let mut found: Vec<_> = fresh.take(limit).collect();
        let stopped = found.len() < limit && walked.len() == walk;
        let looked_to = walked.last().filter(|_| stopped).map(|index| row(index).position);
        let earlier = by_position.iter().copied().filter(|index| {
            let Row { xid, position, .. } = *row(index);
            position > window.position && window.lo.running.contains(&xid) && window.hi.sees(xid)
        });
        found.extend(earlier.take(limit));
        found.sort_unstable_by_key(|index| row(index).position);
        found.truncate(limit);
        if self.algorithm != Algorithm::BeyondTheWalk {
            found.retain(|index| looked_to.is_none_or(|looked_to| row(index).position <= looked_to));
        }
        let next =
            window.after(found.last().map(|index| row(index).position), found.len() >= limit, looked_to);
        (found, next)
    }

    /// Reads at most as many rows as the limit says, and says where to go on.
    fn read(&self, state: &State, window: &Window<Snapshot>) -> (Vec<usize>, Window<Snapshot>) {
        if window.is_closed() && !self.is_by_position_or_id() {
            // Nothing has appeared.
            return (Vec::new(), window.clone());
        }
        match self.algorithm {
            Algorithm::BySequence
            | Algorithm::ByTransaction
            | Algorithm::ByTransactionIfItMayWait
            | Algorithm::SnapshotAfterReading => self.read_as_twin(state, window),
            _ => self.read_window(state, window),
        }
    }

    fn read_as_twin(&self, state: &State, window: &Window<Snapshot>) -> (Vec<usize>, Window<Snapshot>) {
        let by_transaction = self.is_by_transaction();
        let wanted = |row: &usize| {
            let Row { xid, position, .. } = state.rows[*row];
            match self.algorithm {
                Algorithm::BySequence => position > window.position,
                // The cursor is the last row's id and position, the id in the place of the lower snapshot.
                _ if by_transaction => {
                    xid < window.hi.xmin && (xid, position) > (window.lo.xmin, window.position)
                }
                // Everything that is there, and only then the snapshot.
                _ => !window.lo.sees(xid) && position > window.position,
            }
        };
        let mut rows: Vec<_> = state.visible().filter(wanted).collect();
        let order =
            |row: &usize| (if by_transaction { state.rows[*row].xid } else { 0 }, state.rows[*row].position);
        rows.sort_unstable_by_key(order);
        rows.truncate(self.bounds.limit);
        let used_up = rows.len() < self.bounds.limit;
        let last = rows.last().map(|row| &state.rows[*row]);
        let next = match (self.algorithm, last) {
            (Algorithm::BySequence, last) => {
                let position = last.map_or(state.cursor.position, |row| row.position);
                Window { position, ..Window::behind(state.cursor.lo.clone()) }
            }
            (_, Some(row)) if by_transaction => {
                let lo = Snapshot { xmin: row.xid, xmax: row.xid, running: Vec::new() };
                Window { position: row.position, ..Window::behind(lo) }
            }
            (_, None) if by_transaction => state.cursor.clone(),
            (_, last) => window.after(last.map(|row| row.position), !used_up, None),
        };
        (rows, next)
    }

    fn read_step(&self, state: &State) -> Reader {
        let Reader::Looked { window, life } = &state.reader else {
            unreachable!("only who has looked reads")
        };
        let (rows, next) = self.read(state, window);
        Reader::Read { rows, next, life: *life }
    }

    /// The store's check at the commit: what was read in another life of the server is void.
    fn is_void(&self, state: &State, life: u8) -> bool {
        life != state.life && self.algorithm != Algorithm::ReadBeforeACrash
    }

    fn commit_step(&self, state: &mut State) {
        match std::mem::replace(&mut state.reader, Reader::Idle) {
            Reader::Read { life, .. } if self.is_void(state, life) => {}
            Reader::Read { rows, mut next, .. } => {
                if self.algorithm == Algorithm::SnapshotAfterReading && next.is_closed() {
                    next = Window::behind(state.present());
                }
                state.cursor = next;
                state.flush();
                if self.algorithm == Algorithm::CursorFirst {
                    state.reader = Reader::Moved { rows };
                } else {
                    state.deliver(&rows);
                }
            }
            Reader::Moved { rows } => state.deliver(&rows),
            Reader::Unregistered | Reader::Idle | Reader::Looked { .. } => {
                unreachable!("only who has read commits")
            }
        }
    }

    fn crash(state: &mut State, forgets: bool) {
        for transaction in &mut state.transactions {
            transaction.ahead = None;
            if transaction.fate == Fate::Open && transaction.xid.is_some() {
                transaction.fate = Fate::Ended;
            }
        }
        if forgets {
            state.next_xid = state.on_disk + 1;
        }
        state.last_ended = state.next_xid - 1;
        state.life += 1;
    }

    /// What has become of the state when the reader, from the cursor that is on record, has gone on alone for long
    /// enough. Whatever is open stays open: nobody may have to wait for it.
    fn in_the_end(&self, state: &State) -> State {
        let mut alone = state.clone();
        // Each round delivers a row or closes a window.
        for _ in 0..3 * state.rows.len() + 4 {
            alone.reader = Reader::Idle;
            let before = (alone.cursor.clone(), alone.delivered);
            let window = self.look(&alone);
            alone.reader = Reader::Looked { window, life: alone.life };
            alone.reader = self.read_step(&alone);
            self.commit_step(&mut alone);
            if let Reader::Moved { .. } = alone.reader {
                self.commit_step(&mut alone);
            }
            if before == (alone.cursor.clone(), alone.delivered) {
                break;
            }
        }
        alone
    }
}

impl Model for Log {
    type State = State;
    type Step = Step;

    fn start(&self) -> State {
        let nothing = Snapshot { xmin: 1, xmax: 1, running: Vec::new() };
        let transaction = Transaction { xid: None, highest: 0, fate: Fate::Open, rows: 0, ahead: None };
        State {
            transactions: vec![transaction; self.bounds.transactions],
            rows: Vec::new(),
            next_xid: FIRST_XID,
            next_position: 1,
            last_ended: FIRST_XID - 1,
            on_disk: FIRST_XID - 1,
            life: 0,
            cursor: Window::behind(nothing),
            reader: if self.bounds.from_now { Reader::Unregistered } else { Reader::Idle },
            delivered: 0,
            wrong: None,
        }
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step>) {
        let bounds = &self.bounds;
        for (index, transaction) in state.transactions.iter().enumerate() {
            if transaction.fate != Fate::Open {
                continue;
            }
            let unused = transaction.xid.is_none() && transaction.ahead.is_none();
            if unused && bounds.touches {
                steps.push(Step::Touch(index));
            }
            if transaction.rows < bounds.rows {
                steps.push(Step::Publish(index));
                if bounds.savepoints {
                    steps.extend([Step::PublishInSavepoint(index), Step::PublishAndUndo(index)]);
                }
                if self.algorithm == Algorithm::CachedPositions && transaction.ahead.is_none() {
                    steps.push(Step::DrawAhead(index));
                }
            }
            if transaction.xid.is_some() {
                steps.extend([Step::Commit(index), Step::Abort(index)]);
            }
            if unused {
                // All that have done nothing are alike: it is enough to let the first of them begin.
                break;
            }
        }
        if state.life < bounds.crashes {
            steps.extend([Step::ServerCrashes { forgets: true }, Step::ServerCrashes { forgets: false }]);
        }
        match &state.reader {
            Reader::Unregistered => steps.push(Step::ReaderRegisters),
            Reader::Idle => steps.push(Step::ReaderLooks),
            Reader::Looked { .. } => steps.extend([Step::ReaderReads, Step::ReaderDies]),
            Reader::Read { .. } | Reader::Moved { .. } => {
                steps.extend([Step::ReaderCommits, Step::ReaderDies])
            }
        }
    }

    fn take(&self, state: &State, step: Step) -> State {
        let mut next = state.clone();
        match step {
            Step::Touch(index) => {
                next.xid_of(index);
            }
            Step::Publish(index) => self.publish(&mut next, index, false),
            Step::PublishInSavepoint(index) => self.publish(&mut next, index, true),
            Step::PublishAndUndo(index) => {
                next.xid_of(index);
                next.draw();
                next.transactions[index].rows += 1;
                next.last_ended = next.take_xid(index).max(next.last_ended);
            }
            Step::DrawAhead(index) => next.transactions[index].ahead = Some(next.draw()),
            Step::Commit(index) => {
                next.ends(index, Fate::Committed);
                next.flush();
            }
            Step::Abort(index) => next.ends(index, Fate::Ended),
            Step::ServerCrashes { forgets } => Self::crash(&mut next, forgets),
            Step::ReaderRegisters => {
                next.cursor = Window::behind(state.present());
                // What was there before is not the reader's.
                next.delivered = state.visible().fold(0, |rows, row| rows | 1 << row);
                next.reader = Reader::Idle;
                next.flush();
            }
            Step::ReaderLooks => {
                next.reader = Reader::Looked { window: self.look(state), life: state.life };
            }
            Step::ReaderReads => next.reader = self.read_step(state),
            Step::ReaderCommits => self.commit_step(&mut next),
            Step::ReaderDies => next.reader = Reader::Idle,
        }
        next
    }

    fn check(&self, state: &State) -> Result<(), String> {
        if state.reader == Reader::Unregistered {
            return Ok(());
        }
        let end = self.in_the_end(state);
        match end.wrong {
            Some(Wrong::NotCommitted(row)) => {
                return Err(format!("row {row} is delivered and not committed"));
            }
            Some(Wrong::Twice(row)) => return Err(format!("row {row} is delivered twice")),
            Some(Wrong::BeforeItsCause(row)) => {
                return Err(format!("row {row} is delivered before its cause"));
            }
            None => {}
        }
        let Some(row) = end.visible().find(|row| end.delivered & 1 << row == 0) else { return Ok(()) };
        // A reader that waits gets it later; one that has passed it never does.
        let mut ended = end.clone();
        for transaction in 0..ended.transactions.len() {
            if ended.transactions[transaction].fate == Fate::Open {
                ended.ends(transaction, Fate::Ended);
            }
        }
        let waits = self.in_the_end(&ended).delivered & 1 << row != 0;
        if waits && self.algorithm == Algorithm::ByTransactionIfItMayWait {
            return Ok(());
        }
        let fate = if waits { "has to wait for another's end" } else { "is skipped" };
        Err(format!("row {row} is committed, and {fate}"))
    }
}
