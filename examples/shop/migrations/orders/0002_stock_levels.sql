-- What inventory last said can be set aside: this module's own copy, kept from events.
CREATE TABLE stock_levels (
    sku       TEXT   NOT NULL PRIMARY KEY,
    available BIGINT NOT NULL,
    revision  BIGINT NOT NULL
);
