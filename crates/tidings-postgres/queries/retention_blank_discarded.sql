UPDATE tidings_parked SET error = '', reason = NULL WHERE (consumer, position) IN (
    SELECT p.consumer, p.position FROM tidings_parked p
    WHERE p.state = 'discarded' AND p.at < $1 AND p.reason IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM tidings_log l WHERE l.position = p.position)
    LIMIT $2)
