-- Where customers want their mail: this module's own copy, kept from events.
CREATE TABLE contacts (
    customer_id UUID   NOT NULL PRIMARY KEY,
    email       TEXT   NOT NULL,
    revision    BIGINT NOT NULL
);

-- Whose order it is.
CREATE TABLE recipients (
    order_id    UUID NOT NULL PRIMARY KEY,
    customer_id UUID NOT NULL
);

CREATE INDEX recipients_by_customer ON recipients (customer_id);

-- One row a mail, so that nobody is told the same thing twice.
CREATE TABLE mails (
    order_id   UUID        NOT NULL,
    kind       TEXT        NOT NULL,
    detail     TEXT        NOT NULL,
    status     TEXT        NOT NULL,
    changed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (order_id, kind)
);
