CREATE TABLE shipments (
    order_id        UUID        NOT NULL PRIMARY KEY,
    status          TEXT        NOT NULL,
    service         TEXT,
    tracking_number TEXT,
    changed_at      TIMESTAMPTZ NOT NULL
);
