DELETE FROM tidings_reads WHERE consumer = ?1 AND last < first
