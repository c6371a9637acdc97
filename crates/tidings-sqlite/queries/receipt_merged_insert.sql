INSERT INTO tidings_receipts (consumer, first, last, count, at, life) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
