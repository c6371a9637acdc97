UPDATE tidings_reads SET last = (SELECT cursor FROM tidings_consumers WHERE name = ?1)
WHERE consumer = ?1 AND last IS NULL AND name NOT IN (SELECT value FROM json_each(?2))
