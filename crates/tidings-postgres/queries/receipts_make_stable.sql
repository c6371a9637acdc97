-- The holes of a receipt: messages within its range that its consumer reads, or has read, in its partition, and that do not
-- lie between its cursors. See src/retention/stable.rs.
WITH young AS MATERIALIZED (
    SELECT r.ord, r.consumer, r.partition, r.first, r.last, r.from_cursor, r.to_cursor
    FROM tidings_receipts r, tidings_runtime m
    WHERE r.from_cursor IS NOT NULL AND r.ord <= m.mark
    ORDER BY r.ord LIMIT $1
), holes AS (
    SELECT y.ord, array_agg(l.position ORDER BY l.position) AS positions
    FROM young y
    JOIN tidings_cursors v ON v.consumer = y.consumer AND v.partition = y.partition
    JOIN tidings_log l ON l.position > y.first AND l.position < y.last
                          AND l.kind = v.message_kind AND l.slot % v.partitions = y.partition
    WHERE EXISTS (SELECT 1 FROM tidings_reads w WHERE w.consumer = y.consumer AND w.name = l.name)
      AND NOT (tidings_passed(y.to_cursor, l.xid, l.position) AND NOT tidings_passed(y.from_cursor, l.xid, l.position))
    GROUP BY y.ord
)
UPDATE tidings_receipts r
SET from_cursor = NULL, to_cursor = NULL, holes = (SELECT h.positions FROM holes h WHERE h.ord = y.ord)
FROM young y
WHERE r.ord = y.ord
