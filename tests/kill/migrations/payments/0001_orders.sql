-- Nothing is unique here, so that what happens twice is seen twice.
CREATE TABLE orders (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, seq INTEGER NOT NULL, amount INTEGER NOT NULL, job_id TEXT NOT NULL,
    paid INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE charges (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, seq INTEGER NOT NULL, job_id TEXT NOT NULL, receipt TEXT NOT NULL,
    event_id TEXT NOT NULL
);
CREATE INDEX orders_item ON orders (account, seq);
CREATE INDEX orders_job ON orders (job_id);
