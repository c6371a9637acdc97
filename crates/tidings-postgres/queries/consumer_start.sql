-- The number of partitions stays what the first registration said.
INSERT INTO tidings_consumers (name, kind, message_kind, reads, generation, partitions, registered_at, last_seen)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
ON CONFLICT (name) DO UPDATE
SET registered_at = excluded.registered_at, life = tidings_consumers.life + 1, retired_at = NULL, retired_reason = NULL
RETURNING partitions
