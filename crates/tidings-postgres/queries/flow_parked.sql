SELECT p.position, p.consumer, p.state, p.attempts, p.due, p.error, p.at, p.reason
FROM tidings_log l
JOIN tidings_parked p ON p.position = l.position
WHERE l.correlation_id = $1
