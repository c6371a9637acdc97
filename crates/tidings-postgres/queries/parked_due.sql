WITH heads AS (
    SELECT ord, key, due FROM tidings_parked
    WHERE consumer = $1 AND partition = $2 AND state = 'retrying' AND due <= $3
    ORDER BY due, ord LIMIT $4
)
SELECT l.*, p.attempts FROM heads h
JOIN tidings_parked p ON p.consumer = $1 AND (p.ord = h.ord OR (p.key = h.key AND p.state = 'behind'))
JOIN tidings_log l ON l.position = p.position
ORDER BY h.due, h.ord, p.ord LIMIT $4
