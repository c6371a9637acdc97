UPDATE tidings_partitions SET fence = fence + 1, holder = $3
WHERE consumer = $1 AND partition = $2
RETURNING fence, cursor, begun_first, begun_count, begun_tries
