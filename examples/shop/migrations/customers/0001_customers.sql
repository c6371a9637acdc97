CREATE TABLE customers (
    customer_id UUID   NOT NULL PRIMARY KEY,
    email       TEXT   NOT NULL,
    revision    BIGINT NOT NULL DEFAULT 1
);
