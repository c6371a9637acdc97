-- Until the end of the transaction; each schema has its own.
SELECT pg_try_advisory_xact_lock(hashtextextended('tidings.retention ' || current_schema(), 0)) AS mine
