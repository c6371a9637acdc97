INSERT INTO tidings_crons (name, expression, due) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET expression = excluded.expression, due = excluded.due
WHERE tidings_crons.expression <> excluded.expression
