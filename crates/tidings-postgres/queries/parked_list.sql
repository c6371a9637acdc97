SELECT l.*, p.consumer, p.state, p.key AS held_key, p.attempts, p.due, p.error FROM tidings_parked p
JOIN tidings_log l ON l.position = p.position
WHERE ($1::text IS NULL OR p.consumer = $1)
  AND CASE WHEN $2::text IS NULL THEN p.state <> 'discarded' ELSE p.state = $2 END
ORDER BY p.ord LIMIT $3
