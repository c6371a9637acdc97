-- The root's own, whose id is the flow's; those of calls from jobs; those of durable commands, by their messages. An index
-- of all outcomes by flow would be one more to write for every command.
SELECT id, command, causation_id, status, body, at, unhandled
FROM tidings_outcomes
WHERE id = $1
UNION ALL
SELECT id, command, causation_id, status, body, at, unhandled
FROM tidings_outcomes
WHERE correlation_id = $1 AND causation_id IS NOT NULL AND id <> $1
UNION ALL
SELECT o.id, o.command, o.causation_id, o.status, o.body, o.at, o.unhandled
FROM tidings_log l
JOIN tidings_outcomes o ON o.id = l.id
WHERE l.correlation_id = $1 AND l.kind = 'command' AND o.causation_id IS NULL AND o.id <> $1
ORDER BY at, id
