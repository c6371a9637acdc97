UPDATE tidings_consumers SET kind = $2, message_kind = $3, reads = $4, last_seen = $5 WHERE name = $1
