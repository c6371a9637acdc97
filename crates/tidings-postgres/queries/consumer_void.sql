UPDATE tidings_partitions SET fence = fence + 1 WHERE consumer = $1
