-- What the window's upper snapshot ($4) sees and its lower one ($3) does not, behind position $5, by position, of one
-- partition ($6 of $7). Two ways lead to it. What the lower snapshot had not heard of was written behind $8, and is found by
-- walking the primary key, over at most $10 rows: if that ends before $9 messages are found, `looked_to` says where. What was
-- open when the lower snapshot was taken is found by its transaction ids, each for itself. The walk must not use the index on
-- xid, which does not give the order: hence the IS NOT TRUE, which no index understands.
-- Each for itself: with `=` instead of the two bounds the planner would know that all have one id, take the order of positions for
-- the order wanted, and walk the primary key from its beginning where many rows share an id (a bulk load, a restored log).
-- There is always one row, so that `looked_to` comes back also where nothing is found.
WITH fresh AS MATERIALIZED (
    SELECT l.* FROM (
        SELECT * FROM tidings_log WHERE position > $8 ORDER BY position LIMIT $10
    ) l
    WHERE (l.xid < pg_snapshot_xmax($3::pg_snapshot)) IS NOT TRUE
      AND pg_visible_in_snapshot(l.xid, $4::pg_snapshot)
      AND l.kind = $1 AND l.name = ANY ($2) AND l.slot % $7 = $6
    ORDER BY l.position LIMIT $9
), earlier AS MATERIALIZED (
    SELECT l.* FROM (
        SELECT xid FROM pg_snapshot_xip($3::pg_snapshot) AS xip (xid)
        WHERE pg_visible_in_snapshot(xid, $4::pg_snapshot)
    ) ended
    CROSS JOIN LATERAL (
        SELECT * FROM tidings_log l
        WHERE l.xid >= ended.xid AND l.xid <= ended.xid AND l.position > $5
          AND l.kind = $1 AND l.name = ANY ($2) AND l.slot % $7 = $6
        ORDER BY l.xid, l.position LIMIT $9
    ) l
), looked AS MATERIALIZED (
    SELECT CASE WHEN (SELECT count(*) FROM fresh) < $9
           THEN (SELECT position FROM tidings_log WHERE position > $8 ORDER BY position OFFSET $10 - 1 LIMIT 1)
           END AS looked_to
)
SELECT looked.looked_to, found.position, found.id, found.kind, found.name, found.version, found.source, found.key, found.time,
       found.correlation_id, found.causation_id, found.traceparent, found.tracestate, found.baggage, found.reply_to, found.data
FROM looked LEFT JOIN (
    SELECT * FROM (SELECT * FROM fresh UNION ALL SELECT * FROM earlier) m ORDER BY m.position LIMIT $9
) found ON true
ORDER BY found.position
