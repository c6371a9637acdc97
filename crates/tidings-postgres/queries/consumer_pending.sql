-- What waits for a consumer: messages it has not read, and those it has parked.
SELECT (SELECT count(*) FROM tidings_cursors v
        JOIN tidings_log l ON l.xid >= pg_snapshot_xmin(split_part(v.cursor, '~', 1)::pg_snapshot)
                              AND v.partition = l.slot % v.partitions
        WHERE v.consumer = c.name AND l.kind = c.message_kind AND l.name = ANY (c.reads)
          AND NOT tidings_passed(v.cursor, l.xid, l.position)) AS unread,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state <> 'discarded') AS parked
FROM tidings_consumers c
WHERE c.name = $1
