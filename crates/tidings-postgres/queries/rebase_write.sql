UPDATE tidings_log l SET xid = new.xid::text::xid8
FROM unnest($1::bigint[], $2::bigint[]) AS new (position, xid)
WHERE l.position = new.position
