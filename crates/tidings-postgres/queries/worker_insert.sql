-- The id is drawn at random, since one that was counted would be used again after a restored backup.
INSERT INTO tidings_workers (id, about, lease, expires_at)
VALUES (('x' || left(replace(gen_random_uuid()::text, '-', ''), 16))::bit(64)::bigint & 9223372036854775807, $1,
        $2 * interval '1 microsecond', clock_timestamp() + $2 * interval '1 microsecond')
RETURNING id
