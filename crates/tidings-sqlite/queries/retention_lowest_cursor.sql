SELECT name, cursor FROM tidings_consumers WHERE retired_at IS NULL ORDER BY cursor, name LIMIT 1
