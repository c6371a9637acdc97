-- The fence goes on growing if the name was used before: an old lease stays void. The cursor never goes back: what was
-- handled in an earlier life would have its effects twice, so one that starts at the beginning ($6 is false) starts where it
-- was retired.
INSERT INTO tidings_consumers (name, kind, message_kind, reads, cursor, registered_at, last_seen)
VALUES ($1, $2, $3, $4, $5, $7, $7)
ON CONFLICT (name) DO UPDATE
SET cursor = CASE WHEN $6 THEN excluded.cursor ELSE tidings_consumers.cursor END,
    registered_at = excluded.registered_at, fence = tidings_consumers.fence + 1, life = tidings_consumers.life + 1,
    clean = true, begun_first = NULL, begun_count = NULL, begun_tries = NULL, retired_at = NULL, retired_reason = NULL
RETURNING name
