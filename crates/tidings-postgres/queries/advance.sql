-- Locks the partition under its lease, moves it and answers with where it stood, in one round trip. See fence_check.sql.
WITH old AS (
    SELECT cursor FROM tidings_partitions
    WHERE consumer = $1 AND partition = $2 AND fence = $3 AND EXISTS (SELECT 1 FROM tidings_life_goes_on)
    FOR UPDATE OF tidings_partitions
)
UPDATE tidings_partitions p
SET cursor = $4, begun_first = NULL, begun_count = NULL, begun_tries = NULL
FROM old WHERE p.consumer = $1 AND p.partition = $2 AND p.fence = $3
RETURNING old.cursor
