INSERT INTO tidings_receipts (consumer, first, last, count, at, life)
VALUES (?1, ?2, ?3, ?4, ?5, (SELECT life FROM tidings_consumers WHERE name = ?1))
ON CONFLICT (consumer, first, last) DO UPDATE SET count = max(count, excluded.count), at = excluded.at
