-- Plain enough for SQLite and PostgreSQL alike.
CREATE TABLE orders (
    order_id    UUID        NOT NULL PRIMARY KEY,
    customer_id UUID        NOT NULL,
    state       TEXT        NOT NULL,
    total_cents BIGINT      NOT NULL CHECK (total_cents >= 0),
    placed_at   TIMESTAMPTZ NOT NULL,
    changed_at  TIMESTAMPTZ NOT NULL
);

CREATE INDEX orders_by_state ON orders (state, placed_at);

CREATE TABLE order_lines (
    order_id UUID   NOT NULL REFERENCES orders (order_id),
    sku      TEXT   NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, sku)
);

CREATE INDEX order_lines_by_sku ON order_lines (sku);
