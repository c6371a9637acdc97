UPDATE tidings_partitions SET begun_first = $4, begun_count = $5, begun_tries = $6
WHERE consumer = $1 AND partition = $2 AND fence = $3
