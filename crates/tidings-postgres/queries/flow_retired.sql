-- What a consumer read when it was retired, and had not come to: it stands now where the log stood then. What is older than
-- its registration was nothing to give up, since its record does not say that it began before.
SELECT l.position, c.name AS consumer, c.retired_at AS at, c.retired_reason AS reason
FROM tidings_log l
JOIN tidings_consumers c ON c.retired_at IS NOT NULL AND c.message_kind = l.kind AND l.name = ANY (c.reads)
JOIN tidings_cursors v ON v.consumer = c.name AND v.partition = l.slot % v.partitions
WHERE l.correlation_id = $1 AND l.time >= c.registered_at
  AND tidings_passed(v.cursor, l.xid, l.position)
  AND NOT EXISTS (SELECT 1 FROM tidings_reads w
                  WHERE w.consumer = c.name AND w.partition = v.partition AND w.name = l.name
                    AND tidings_passed(w.to_cursor, l.xid, l.position))
