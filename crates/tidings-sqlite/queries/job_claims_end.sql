DELETE FROM tidings_claims WHERE place IN (SELECT value FROM json_each(?1))
