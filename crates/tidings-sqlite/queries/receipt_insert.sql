INSERT INTO tidings_receipts (consumer, first, last, count, at, life, attempts)
VALUES (?1, ?2, ?3, ?4, ?5, (SELECT life FROM tidings_consumers WHERE name = ?1), ?6)
ON CONFLICT (consumer, first, last) DO UPDATE SET count = max(count, excluded.count), at = excluded.at,
    attempts = excluded.attempts
