DELETE FROM tidings_crons WHERE name <> ALL ($1)
