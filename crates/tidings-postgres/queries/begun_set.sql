UPDATE tidings_consumers SET begun_first = $3, begun_count = $4, begun_tries = $5 WHERE name = $1 AND fence = $2
