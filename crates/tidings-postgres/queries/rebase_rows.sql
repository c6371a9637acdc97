-- The rows of a range of positions that not every cursor has passed: those from transaction $3 on, and those that are this
-- cluster's `own` ($4 is the present, $5 the restore). An own row may have been written in a savepoint, whose id is higher.
-- A range, and not ORDER BY with LIMIT, for which the planner would sort the whole table, once for each chunk.
SELECT position, xid::text::bigint AS xid, own FROM (
    SELECT position, xid, xid > $5::text::xid8
           AND xid::text::bigint <= $4 - (($4 - xmin::text::bigint) & 4294967295) AS own
    FROM tidings_log WHERE position > $1 AND position <= $2
) row WHERE own OR xid >= $3::text::xid8
