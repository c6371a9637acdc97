DELETE FROM tidings_workers WHERE id NOT IN (SELECT value FROM json_each(?1))
