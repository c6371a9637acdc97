-- A planted bug: orders by transaction id, which breaks causal order. Only the tests that must catch it read like this.
SELECT l.*, l.xid::text::bigint AS transaction FROM tidings_log l
WHERE l.kind = $1 AND l.name = ANY ($2)
  AND NOT tidings_passed($3, l.xid, l.position)
  AND l.xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY l.xid, l.position LIMIT $4
