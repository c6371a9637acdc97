DELETE FROM tidings_workers WHERE id = $1
