SELECT c.name, c.kind, c.reads, c.last_seen, c.retired_reason,
       (SELECT coalesce(sum(tidings_unread(p.cursor, c.message_kind, c.reads, p.partition, c.partitions)), 0)::bigint
        FROM tidings_partitions p WHERE p.consumer = c.name) AS lag,
       (SELECT array_agg(w.about ORDER BY p.partition) FROM tidings_partitions p
        LEFT JOIN tidings_workers w ON w.id = p.holder AND w.expires_at > clock_timestamp()
        WHERE p.consumer = c.name) AS holders,
       (SELECT coalesce(sum(r.count), 0)::bigint FROM tidings_receipts r WHERE r.consumer = c.name) AS handled,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'retrying') AS retrying,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'behind') AS behind,
       (SELECT count(*) FROM tidings_parked p WHERE p.consumer = c.name AND p.state = 'dead') AS dead
FROM tidings_consumers c ORDER BY c.name
