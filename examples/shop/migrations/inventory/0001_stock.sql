-- The last line of defence against overselling is the database's: no code path can set aside more than there is.
CREATE TABLE stock (
    sku      TEXT   NOT NULL PRIMARY KEY,
    on_hand  BIGINT NOT NULL,
    reserved BIGINT NOT NULL DEFAULT 0,
    revision BIGINT NOT NULL DEFAULT 1,
    CHECK (reserved >= 0 AND reserved <= on_hand)
);

CREATE TABLE reservations (
    order_id UUID   NOT NULL,
    sku      TEXT   NOT NULL REFERENCES stock (sku),
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    PRIMARY KEY (order_id, sku)
);
