//! Reading the log behind a cursor.

use rusqlite::Connection;
use tidings_core::envelope::{Cursor, Recorded};
use tidings_core::partition::slot;
use tidings_core::store::{Batch, Filter, StoreError};

use crate::rows::recorded_as;
use crate::statements::cursor_position;
use crate::store::SqliteStore;

/// At most this many rows are looked at in one call, so that a rare name does not hold a reader for long.
const LOOKED_AT_MAX: usize = 10_000;

pub(crate) async fn read_after(
    store: &SqliteStore,
    cursor: &Cursor,
    filter: &Filter,
    limit: usize,
) -> Result<Batch, StoreError> {
    let after = cursor_position(cursor)?;
    let filter = filter.clone();
    store.ask("reading the log", move |connection| scan(connection, after, &filter, limit)).await
}

/// Filters row by row: only the columns that decide are decoded of a row that does not match, and no index by name has
/// to be kept at each append.
fn scan(connection: &Connection, after: i64, filter: &Filter, limit: usize) -> rusqlite::Result<Batch> {
    let mut statement = connection.prepare_cached(include_str!("../../queries/read_after.sql"))?;
    let mut rows = statement.query([after])?;
    let (mut messages, mut last, mut looked_at) = (Vec::<Recorded>::new(), after, 0);
    let at_end = loop {
        if messages.len() >= limit || looked_at >= LOOKED_AT_MAX {
            break false;
        }
        let Some(row) = rows.next()? else { break true };
        last = row.get(0)?;
        looked_at += 1;
        let name = row.get_ref(3)?.as_str()?;
        let wanted = filter.names.iter().find(|wanted| &***wanted == name);
        if let Some(wanted) = wanted.filter(|_| row.get_ref(2).is_ok_and(|kind| is(kind, filter))) {
            let source = row.get_ref(5)?.as_str()?;
            // Messages of one name come from one module, as a rule.
            let known = messages.last().map(|message: &Recorded| &message.envelope.source);
            let source = known.filter(|known| &***known == source).cloned().unwrap_or_else(|| source.into());
            let message = recorded_as(row, wanted.clone(), source)?;
            if filter.part.is_whole() || filter.part.contains(slot(&message.envelope)) {
                messages.push(message);
            }
        }
    };
    let cursors = messages.iter().map(|message| Cursor(message.position.0.to_string())).collect();
    Ok(Batch { messages, cursors, next: Cursor(last.to_string()), at_end })
}

fn is(kind: rusqlite::types::ValueRef<'_>, filter: &Filter) -> bool {
    kind.as_str().is_ok_and(|kind| kind == filter.kind.as_str())
}
