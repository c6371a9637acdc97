-- A discarded row says that its message was not handled. Where a receipt's range lies around it, only the row can say so
-- and it stays; its texts go, see retention_blank_discarded.
DELETE FROM tidings_parked WHERE (consumer, position) IN (
    SELECT p.consumer, p.position FROM tidings_parked p
    WHERE p.state = 'discarded' AND p.at < $1
      AND NOT EXISTS (SELECT 1 FROM tidings_log l WHERE l.position = p.position)
      AND NOT EXISTS (SELECT 1 FROM tidings_receipts r
                      WHERE r.consumer = p.consumer AND r.first <= p.position AND r.last >= p.position)
    LIMIT $2)
