-- What waits for a consumer: messages it has not read, and those it has parked.
SELECT (SELECT count(*) FROM tidings_log AS l
        WHERE l.position > c.cursor AND l.name IN (SELECT value FROM json_each(c.reads))
          AND l.kind = CASE c.kind WHEN 'listener' THEN 'event' WHEN 'command handler' THEN 'command' ELSE 'reply' END),
       (SELECT count(*) FROM tidings_parked AS p WHERE p.consumer = c.name AND p.state <> 'discarded')
FROM tidings_consumers AS c
WHERE c.name = ?1
