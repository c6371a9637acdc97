-- A planted bug: orders by transaction id, which breaks causal order. Only the tests that must catch it read like this.
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data, l.xid::text::bigint AS transaction FROM tidings_log l
WHERE l.kind = $1 AND l.name = ANY ($2)
  AND NOT tidings_passed($3, l.xid, l.position)
  AND l.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY l.xid, l.position LIMIT $4
