SELECT c.name, c.kind, c.reads, c.last_seen, c.retired_reason,
       (SELECT count(*) FROM tidings_cursors v
        JOIN tidings_log l ON l.xid >= pg_snapshot_xmin(split_part(v.cursor, '~', 1)::pg_snapshot)
                              AND v.partition = l.slot % v.partitions
        WHERE v.consumer = c.name AND l.kind = c.message_kind AND l.name = ANY (c.reads)
          AND NOT tidings_passed(v.cursor, l.xid, l.position)) AS lag,
       (SELECT coalesce(sum(r.count), 0)::bigint FROM tidings_receipts r WHERE r.consumer = c.name) AS handled,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'retrying') AS retrying,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'behind') AS behind,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'dead') AS dead
FROM tidings_consumers c ORDER BY c.name
