UPDATE tidings_partitions SET consumer = $2, fence = fence + 1 WHERE consumer = $1
