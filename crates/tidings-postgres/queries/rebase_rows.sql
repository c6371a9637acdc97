-- The rows behind a position that not every cursor has passed, by position: those from $3 on, and those that are this
-- cluster's `own` ($4 is the present, $5 the restore). An own row may have been written in a savepoint, whose id is higher.
SELECT position, xid::text::bigint AS xid, own FROM (
    SELECT position, xid, xid > $5::text::xid8
           AND xid::text::bigint <= $4 - (($4 - xmin::text::bigint) & 4294967295) AS own
    FROM tidings_log WHERE position > $1
) row WHERE own OR xid >= $3::text::xid8
ORDER BY position LIMIT $2
