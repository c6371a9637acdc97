DELETE FROM tidings_reads WHERE consumer = $1 AND to_cursor = from_cursor
