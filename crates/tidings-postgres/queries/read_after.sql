-- What the window's upper snapshot ($4) sees and its lower one ($3) does not, behind a position, by position. The bound
-- on xid only lets the index help: everything below the lower snapshot's xmin is visible in it.
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data FROM tidings_log l
WHERE l.kind = $1 AND l.name = ANY ($2)
  AND l.xid >= pg_snapshot_xmin($3::pg_snapshot)
  AND NOT pg_visible_in_snapshot(l.xid, $3::pg_snapshot)
  AND pg_visible_in_snapshot(l.xid, $4::pg_snapshot)
  AND l.position > $5
ORDER BY l.position LIMIT $6
