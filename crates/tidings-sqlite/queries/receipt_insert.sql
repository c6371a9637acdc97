INSERT INTO tidings_receipts (consumer, first, last, count, at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (consumer, first, last) DO UPDATE SET count = max(count, excluded.count), at = excluded.at
