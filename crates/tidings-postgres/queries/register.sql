-- The number of partitions stays what the first registration said.
INSERT INTO tidings_consumers (name, kind, message_kind, reads, generation, partitions, registered_at, last_seen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (name) DO UPDATE
SET kind = excluded.kind, message_kind = excluded.message_kind, reads = excluded.reads,
    generation = excluded.generation, last_seen = excluded.last_seen
RETURNING partitions
