-- Reads the whole table: for the one time that the log seems full.
SELECT count(*), coalesce(max(position), 0) FROM tidings_log
