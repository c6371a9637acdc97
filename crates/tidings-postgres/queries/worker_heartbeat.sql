-- Renews also a lease that has lapsed: whoever takes it over deletes the row, and then there is nothing to renew.
UPDATE tidings_workers SET expires_at = clock_timestamp() + lease WHERE id = $1
