-- The fence grows, so that whoever works for it just now cannot commit any more. What it had not read is given up, too: a
-- consumer that comes back must not find it again.
UPDATE tidings_consumers
SET retired_at = ?2, retired_reason = ?3, fence = fence + 1,
    cursor = max(cursor, (SELECT coalesce(max(position), 0) FROM tidings_log))
WHERE name = ?1
