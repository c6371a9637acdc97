-- The fence grows, so that whoever works for it just now cannot commit any more.
UPDATE tidings_consumers SET retired_at = ?2, retired_reason = ?3, fence = fence + 1 WHERE name = ?1
