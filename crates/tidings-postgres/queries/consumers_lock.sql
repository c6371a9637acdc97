-- Until the end of the transaction; each schema has its own.
SELECT pg_advisory_xact_lock(hashtextextended('tidings.consumers ' || current_schema(), 0))
