SELECT c.name, c.kind, c.reads, c.last_seen, c.retired_reason,
       (SELECT count(*) FROM tidings_log l WHERE l.kind = c.message_kind AND l.name = ANY (c.reads)
          AND NOT tidings_passed(c.cursor, l.xid, l.position)) AS lag,
       (SELECT coalesce(sum(r.count), 0)::bigint FROM tidings_receipts r WHERE r.consumer = c.name) AS handled,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'retrying') AS retrying,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'behind') AS behind,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'dead') AS dead
FROM tidings_consumers c ORDER BY c.name
