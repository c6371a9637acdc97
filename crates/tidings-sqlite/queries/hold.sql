UPDATE tidings_consumers SET fence = fence + 1 WHERE name = ?1 AND retired_at IS NULL
RETURNING fence, cursor, begun_first, begun_count, begun_tries
