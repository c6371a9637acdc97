INSERT INTO tidings_parked (consumer, partition, position, key, state, attempts, due, error, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (consumer, position) DO UPDATE
SET key = excluded.key, state = excluded.state, attempts = excluded.attempts, due = excluded.due,
    error = excluded.error, at = excluded.at, reason = NULL
