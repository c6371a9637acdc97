INSERT INTO tidings_consumers (name, kind, message_kind, reads, cursor, registered_at, last_seen)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (name) DO UPDATE
SET kind = excluded.kind, message_kind = excluded.message_kind, reads = excluded.reads, last_seen = excluded.last_seen
