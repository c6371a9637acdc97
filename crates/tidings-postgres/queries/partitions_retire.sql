UPDATE tidings_partitions SET cursor = $2, holder = NULL, begun_first = NULL, begun_count = NULL, begun_tries = NULL
WHERE consumer = $1
