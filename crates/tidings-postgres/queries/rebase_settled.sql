-- The rows that every cursor has passed get one id; see rebase_rows.sql for `own` ($3 is the present, $4 the restore).
UPDATE tidings_log SET xid = $1::text::xid8
WHERE xid < $2::text::xid8 AND xid <> $1::text::xid8
  AND NOT (xid > $4::text::xid8 AND xid::text::bigint <= $3 - (($3 - xmin::text::bigint) & 4294967295))
