-- Walks from the oldest message to the first that is young enough, and no further than what may go at all.
SELECT position FROM tidings_log WHERE position <= ?1 AND time >= ?2 ORDER BY position LIMIT 1
