WITH old AS (
    SELECT name, fence, clean FROM tidings_consumers
    WHERE name = $1 AND EXISTS (SELECT 1 FROM tidings_life_goes_on)
    FOR UPDATE OF tidings_consumers
)
UPDATE tidings_consumers c SET fence = c.fence + 1, clean = false
FROM old WHERE c.name = old.name
RETURNING c.fence, c.cursor, c.begun_first, c.begun_count, c.begun_tries, NOT old.clean AS unclean
