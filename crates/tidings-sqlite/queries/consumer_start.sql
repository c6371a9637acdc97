-- The fence goes on growing if the name was used before: an old lease stays void.
INSERT INTO tidings_consumers (name, kind, reads, cursor, registered_at, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (name) DO UPDATE
SET cursor = excluded.cursor, registered_at = excluded.registered_at, fence = fence + 1,
    begun_first = NULL, begun_count = NULL, begun_tries = NULL, retired_at = NULL, retired_reason = NULL
