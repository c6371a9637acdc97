INSERT INTO tidings_crons (name, expression, due) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET expression = excluded.expression, due = excluded.due
-- A time that is later than it can be is from a clock that was ahead, and would not come for as long as it was.
WHERE tidings_crons.expression <> excluded.expression OR tidings_crons.due > ?4
