-- A rejection that nobody handled stays until a person has seen it.
DELETE FROM tidings_outcomes WHERE id IN (
    SELECT id FROM tidings_outcomes WHERE expires <= ?1 AND unhandled = 0 ORDER BY expires LIMIT ?2)
