-- Makes one range of the $2 oldest stable receipts of one life and partition: between two receipts of one life there is
-- nothing that the consumer handled but what other receipts tell, and those positions are the holes of the range. What was
-- a hole of one and is told by another of the merged is none any more. Receipts of two lives are never merged: what lies
-- between was given up, not handled.
WITH part AS (
    SELECT partition, life FROM tidings_receipts
    WHERE consumer = $1 AND from_cursor IS NULL
    GROUP BY partition, life HAVING count(*) > 1
    ORDER BY life, count(*) DESC, partition LIMIT 1
), old AS MATERIALIZED (
    SELECT r.ord, r.first, r.last, r.count, r.at, coalesce(r.holes, '{}') AS holes
    FROM tidings_receipts r JOIN part p ON p.partition = r.partition AND p.life = r.life
    WHERE r.consumer = $1 AND r.from_cursor IS NULL
    ORDER BY r.first, r.last LIMIT $2
), ranges AS (
    SELECT first, max(last) OVER (ORDER BY first, last ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM old
), suspects AS (
    SELECT unnest(holes) AS position FROM old
    UNION
    SELECT l.position
    FROM ranges g
    JOIN part p ON true
    JOIN tidings_cursors v ON v.consumer = $1 AND v.partition = p.partition
    -- Each gap by the index of positions: joined as a whole they are looked for in each other, which takes seconds.
    CROSS JOIN LATERAL (SELECT l.position FROM tidings_log l
                        WHERE l.position > g.before AND l.position < g.first
                          AND l.kind = v.message_kind AND l.slot % v.partitions = p.partition
                          AND EXISTS (SELECT 1 FROM tidings_reads w WHERE w.consumer = $1 AND w.name = l.name)
                        OFFSET 0) l
    WHERE g.first - g.before > 1
), left_over AS (
    SELECT array_agg(s.position ORDER BY s.position) AS positions FROM suspects s
    WHERE NOT EXISTS (SELECT 1 FROM old o
                      WHERE o.first <= s.position AND o.last >= s.position AND s.position <> ALL (o.holes))
), gone AS (
    DELETE FROM tidings_receipts WHERE ord IN (SELECT ord FROM old)
), merged AS (
    INSERT INTO tidings_receipts (consumer, partition, first, last, count, at, life, holes)
    SELECT $1, p.partition, min(o.first), max(o.last), sum(o.count), max(o.at), p.life, (SELECT positions FROM left_over)
    FROM old o, part p
    GROUP BY p.partition, p.life
    RETURNING 1
)
SELECT count(*) AS merged FROM old HAVING (SELECT count(*) FROM merged) > 0
