-- One whose heartbeat is just under way is not waited for: it is no more lapsed in a moment.
DELETE FROM tidings_workers WHERE id IN (
    SELECT id FROM tidings_workers WHERE id <> $1 AND expires_at <= clock_timestamp() FOR UPDATE SKIP LOCKED
)
