-- The fence goes on growing if the name was used before: an old lease stays void. The cursor never goes back: what was
-- handled in an earlier life would have its effects twice.
INSERT INTO tidings_consumers (name, kind, reads, cursor, registered_at, last_seen) VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (name) DO UPDATE
SET cursor = max(cursor, excluded.cursor), registered_at = excluded.registered_at, fence = fence + 1, life = life + 1,
    begun_first = NULL, begun_count = NULL, begun_tries = NULL, retired_at = NULL, retired_reason = NULL
