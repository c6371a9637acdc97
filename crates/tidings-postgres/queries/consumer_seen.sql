UPDATE tidings_consumers SET kind = $2, message_kind = $3, reads = $4, generation = $5, last_seen = $6 WHERE name = $1
RETURNING partitions
