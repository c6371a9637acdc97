-- Draws a transaction id with it: the one that the mark waits for. A mark of an earlier round that could not be used stays,
-- so that it comes to its end however many transactions follow.
UPDATE tidings_runtime
SET mark = coalesce(mark, young.newest), mark_xid = coalesce(mark_xid, pg_current_xact_id())
FROM (SELECT max(ord) AS newest FROM tidings_receipts WHERE from_cursor IS NOT NULL) young
WHERE young.newest IS NOT NULL
