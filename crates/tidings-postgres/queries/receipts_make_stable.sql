-- The holes of a receipt: messages within its range that its consumer reads, or has read, in its partition, and that do not
-- lie between its cursors. See src/retention/stable.rs. Receipts and messages are come by through their indexes, by order, by an
-- array, and by a LATERAL that is not pulled up: joined as wholes they may be looked for in each other.
WITH young AS MATERIALIZED (
    SELECT r.ord, r.consumer, r.partition, r.first, r.last, r.from_cursor, r.to_cursor
    FROM tidings_receipts r, tidings_runtime m
    WHERE r.from_cursor IS NOT NULL AND r.ord <= m.mark
    ORDER BY r.first LIMIT $1
), stable AS MATERIALIZED (
    SELECT y.ord, (
        SELECT array_agg(l.position ORDER BY l.position)
        FROM tidings_cursors v
        CROSS JOIN LATERAL (SELECT l.position, l.xid FROM tidings_log l
                            WHERE l.position > y.first AND l.position < y.last
                              AND l.kind = v.message_kind AND l.slot % v.partitions = y.partition
                              AND EXISTS (SELECT 1 FROM tidings_reads w WHERE w.consumer = y.consumer AND w.name = l.name)
                            OFFSET 0) l
        WHERE v.consumer = y.consumer AND v.partition = y.partition
          AND NOT (tidings_passed(y.to_cursor, l.xid, l.position) AND NOT tidings_passed(y.from_cursor, l.xid, l.position))
    ) AS holes
    FROM young y
)
UPDATE tidings_receipts r
SET from_cursor = NULL, to_cursor = NULL, holes = s.holes
FROM stable s
WHERE r.ord = s.ord AND r.ord = ANY (ARRAY(SELECT ord FROM young))
