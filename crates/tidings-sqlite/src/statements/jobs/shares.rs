//! Shares take turns.
//!
//! Of each priority the first job of each share is looked for, from the share after the one that was served last and around,
//! until there are enough or all have been asked; then, while there is room, the second job of each, and so on. So it costs what
//! is taken, and what has to be passed because it runs; how many shares there are, and how many jobs they have, does not matter.

use tidings_core::store::StoreError;

use crate::columns::Columns;
use crate::exec::{Param, Statements};

/// Below every priority.
const BEFORE_ALL: i64 = i16::MIN as i64 - 1;

/// Those without a share, in the round. No share is empty.
const NONE: &str = "";

/// One whose turn it is, with the place of the job that it starts.
struct Turn {
    share: String,
    place: i64,
}

/// What is claimed: of one queue, and of these names, as an array of JSON.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) queue: &'a str,
    pub(super) names: &'a str,
}

/// Whether jobs of the queue have shares.
pub(super) async fn has_shares<E: Statements>(exec: &mut E, queue: &str) -> Result<bool, StoreError> {
    let rows = exec.query(include_str!("../../../queries/job_has_shares.sql"), &[Param::Text(queue)]).await?;
    rows.first().map_or(Ok(false), |row| Ok(Columns::new(row).int()? == 1))
}

/// The places of at most so many jobs, in the order in which they start. The rounds are moved on.
pub(super) async fn take_turns<E: Statements>(
    exec: &mut E,
    of: Of<'_>,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let (mut taken, mut priority) = (Vec::new(), BEFORE_ALL);
    while taken.len() < limit {
        let params = [Param::Text(of.queue), Param::Int(priority)];
        let rows = exec.query(include_str!("../../../queries/job_turn_next.sql"), &params).await?;
        let Some(next) = rows.first().map_or(Ok(None), |row| Columns::new(row).int_or_null())? else { break };
        priority = next;
        taken.extend(take_of(exec, of, priority, limit - taken.len()).await?);
    }
    Ok(taken)
}

/// The same of one priority.
async fn take_of<E: Statements>(
    exec: &mut E,
    of: Of<'_>,
    priority: i64,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let params = [Param::Text(of.queue), Param::Int(priority)];
    let rows = exec.query(include_str!("../../../queries/job_round_get.sql"), &params).await?;
    let served = rows.first().map_or(Ok(String::new()), |row| Columns::new(row).text().map(str::to_owned))?;
    let mut round = first_round(exec, of, priority, &served, limit).await?;
    // Where nobody had anything but those without a share, it was nobody's turn.
    let is_round =
        round.iter().any(|turn| turn.share != NONE) || next_share(exec, of, priority, NONE).await?.is_some();
    let (mut taken, mut last) = (Vec::new(), None);
    while !round.is_empty() {
        round.truncate(limit - taken.len());
        taken.extend(round.iter().map(|turn| turn.place));
        last = round.last().map(|turn| turn.share.clone()).or(last);
        if taken.len() == limit {
            break;
        }
        let mut next = Vec::new();
        for Turn { share, place } in round {
            if let Some(place) = next_of(exec, of, priority, &share, place).await? {
                next.push(Turn { share, place });
            }
        }
        round = next;
    }
    if let Some(last) = last.filter(|_| is_round) {
        let params = [Param::Text(of.queue), Param::Int(priority), Param::Text(&last)];
        exec.execute(include_str!("../../../queries/job_round_move.sql"), &params).await?;
    }
    Ok(taken)
}

/// Of each share the first job: those after the one that was served last, those without a share, and then the others.
async fn first_round<E: Statements>(
    exec: &mut E,
    of: Of<'_>,
    priority: i64,
    served: &str,
    limit: usize,
) -> Result<Vec<Turn>, StoreError> {
    let mut round = Vec::new();
    while round.len() < limit {
        let before = round.last().map_or(served, |turn: &Turn| &turn.share);
        let Some(turn) = next_share(exec, of, priority, before).await? else { break };
        round.push(turn);
    }
    if round.len() < limit
        && let Some(place) = next_of(exec, of, priority, NONE, -1).await?
    {
        round.push(Turn { share: NONE.to_owned(), place });
    }
    let mut before = NONE.to_owned();
    while round.len() < limit {
        let next = next_share(exec, of, priority, &before).await?;
        let Some(turn) = next.filter(|turn| *turn.share <= *served) else { break };
        before.clone_from(&turn.share);
        round.push(turn);
    }
    Ok(round)
}

async fn next_share<E: Statements>(
    exec: &mut E,
    of: Of<'_>,
    priority: i64,
    before: &str,
) -> Result<Option<Turn>, StoreError> {
    let params = [Param::Text(of.queue), Param::Int(priority), Param::Text(of.names), Param::Text(before)];
    let read =
        |columns: &mut Columns<'_>| Ok(Turn { place: columns.int()?, share: columns.text()?.to_owned() });
    let found = exec.read(include_str!("../../../queries/job_share_next.sql"), &params, read).await?;
    Ok(found.into_iter().next())
}

async fn next_of<E: Statements>(
    exec: &mut E,
    of: Of<'_>,
    priority: i64,
    share: &str,
    place: i64,
) -> Result<Option<i64>, StoreError> {
    let [queue, turn, names] = [Param::Text(of.queue), Param::Int(priority), Param::Text(of.names)];
    let read = |columns: &mut Columns<'_>| columns.int();
    let found = if share == NONE {
        let params = [queue, turn, names, Param::Int(place)];
        exec.read(include_str!("../../../queries/job_shareless_more.sql"), &params, read).await?
    } else {
        let params = [queue, turn, names, Param::Text(share), Param::Int(place)];
        exec.read(include_str!("../../../queries/job_share_more.sql"), &params, read).await?
    };
    Ok(found.into_iter().next())
}
