UPDATE tidings_partitions SET holder = NULL WHERE consumer = $1 AND partition = $2 AND fence = $3
