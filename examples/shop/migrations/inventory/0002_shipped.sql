-- A reservation stays on record when its goods have left, so that a request that comes twice is known.
ALTER TABLE reservations ADD COLUMN shipped_at TIMESTAMPTZ;
