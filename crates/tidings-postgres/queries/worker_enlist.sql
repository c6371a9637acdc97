INSERT INTO tidings_workers (id, about, consumers, generations, jobs, lease, expires_at, enlisted_at)
SELECT ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12) || right(gen_random_uuid()::text, 4))::bit(64)::bigint
       & 9223372036854775807, -- 63 bits at random: an id is never used twice
       $1, $2, $3, $4, lease, clock_timestamp() + lease, clock_timestamp()
FROM (SELECT $5 * interval '1 microsecond' AS lease) length
RETURNING id, (SELECT life FROM tidings_life_goes_on) AS life
