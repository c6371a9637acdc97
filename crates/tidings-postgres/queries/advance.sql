UPDATE tidings_consumers
SET cursor = $3, begun_first = NULL, begun_count = NULL, begun_tries = NULL
WHERE name = $1 AND fence = $2
