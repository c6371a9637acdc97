UPDATE tidings_partitions SET begun_first = NULL, begun_count = NULL, begun_tries = NULL
WHERE consumer = $1 AND partition = $2 AND fence = $3
