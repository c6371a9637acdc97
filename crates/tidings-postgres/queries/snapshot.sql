-- What a new transaction would see now. A snapshot on a standby lists no transaction as running, so rows that are replayed
-- later would be taken for passed: reading tidings_life, which is unlogged, fails there (before the snapshot is taken).
SELECT pg_current_snapshot()::text AS snapshot, (SELECT count(*) FROM tidings_life) AS lives
