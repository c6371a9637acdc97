-- The key under which the provider was asked for the money, its receipt, and what was given back.
ALTER TABLE payments ADD COLUMN charge UUID;
ALTER TABLE payments ADD COLUMN receipt TEXT;
ALTER TABLE payments ADD COLUMN refunded_cents BIGINT NOT NULL DEFAULT 0;

CREATE UNIQUE INDEX payments_by_charge ON payments (charge);
