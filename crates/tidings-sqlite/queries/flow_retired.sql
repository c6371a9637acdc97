-- What a consumer read when it was retired, and up to where. Its cursor stands at the newest message of that time.
SELECT c.name, c.kind, r.value, coalesce((SELECT max(w.last) FROM tidings_reads AS w
                                         WHERE w.consumer = c.name AND w.name = r.value), 0),
       c.cursor, c.registered_at, c.retired_at, c.retired_reason
FROM tidings_consumers AS c, json_each(c.reads) AS r
WHERE c.retired_at IS NOT NULL
