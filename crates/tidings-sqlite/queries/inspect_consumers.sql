SELECT c.name, c.kind, c.reads, c.last_seen, c.retired_reason,
       (SELECT count(*) FROM tidings_log AS l
        WHERE l.position > c.cursor AND l.kind = ?1 AND l.name IN (SELECT value FROM json_each(c.reads))),
       (SELECT coalesce(sum(r.count), 0) FROM tidings_receipts AS r WHERE r.consumer = c.name),
       (SELECT count(*) FROM tidings_parked AS p WHERE p.consumer = c.name AND p.state = 'retrying'),
       (SELECT count(*) FROM tidings_parked AS p WHERE p.consumer = c.name AND p.state = 'behind'),
       (SELECT count(*) FROM tidings_parked AS p WHERE p.consumer = c.name AND p.state = 'dead')
FROM tidings_consumers AS c
WHERE c.kind = ?2
