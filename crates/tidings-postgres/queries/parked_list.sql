SELECT l.*, p.consumer, p.state, p.key AS held_key, p.attempts, p.due, p.error FROM tidings_parked p
JOIN tidings_log l ON l.position = p.position
WHERE p.state <> 'discarded' AND ($1::text IS NULL OR p.consumer = $1) AND ($2::text IS NULL OR p.state = $2)
ORDER BY p.ord LIMIT $3
