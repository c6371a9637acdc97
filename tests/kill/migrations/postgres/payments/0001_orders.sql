-- As for SQLite: nothing is unique here, so that what happens twice is seen twice.
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account text NOT NULL, seq bigint NOT NULL, amount bigint NOT NULL,
    job_id text NOT NULL, paid bigint NOT NULL DEFAULT 0, refused bigint NOT NULL DEFAULT 0
);
CREATE TABLE charges (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account text NOT NULL, seq bigint NOT NULL, job_id text NOT NULL,
    receipt text NOT NULL, event_id text NOT NULL
);
CREATE INDEX orders_item ON orders (account, seq);
CREATE INDEX orders_job ON orders (job_id);
