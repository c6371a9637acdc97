-- The highest id among the rows that were restored; see rebase_rows.sql ($1 is the present, $2 the restore).
SELECT coalesce(max(xid::text::bigint), 0) AS highest FROM tidings_log
WHERE NOT (xid > $2::text::xid8 AND xid::text::bigint <= $1 - (($1 - xmin::text::bigint) & 4294967295))
