-- A payment of nothing makes no sense to a bank, so the table refuses it. That orders may well cost nothing (a free
-- sample) is what nobody told this module; the demo's poison order is made of that.
CREATE TABLE payments (
    order_id     UUID        NOT NULL PRIMARY KEY,
    amount_cents BIGINT      NOT NULL CHECK (amount_cents > 0),
    status       TEXT        NOT NULL,
    changed_at   TIMESTAMPTZ NOT NULL
);
