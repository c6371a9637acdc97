INSERT INTO tidings_workers (about) VALUES (?1) RETURNING id
