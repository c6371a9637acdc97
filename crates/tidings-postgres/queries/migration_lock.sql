-- Until the end of the transaction: a lock of the session would not come back through a pooler. One per database, since the
-- schema itself may not be there yet.
SELECT pg_advisory_xact_lock(hashtextextended('tidings.migrate', 0))
