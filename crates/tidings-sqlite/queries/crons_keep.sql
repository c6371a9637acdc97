DELETE FROM tidings_crons WHERE name NOT IN (SELECT value FROM json_each(?1))
