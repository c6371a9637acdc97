-- The log. SQLite has one writer, so the order of positions is the order of commits and a cursor is a position.
-- Retention never deletes the newest row: `INTEGER PRIMARY KEY` continues behind it, so no position is used twice.
CREATE TABLE tidings_log (
    position       INTEGER PRIMARY KEY,
    id             BLOB NOT NULL UNIQUE,
    kind           TEXT NOT NULL,
    name           TEXT NOT NULL,
    version        INTEGER NOT NULL,
    source         TEXT NOT NULL,
    key            TEXT,
    time           INTEGER NOT NULL, -- microseconds since 1970-01-01 UTC, as all times in these tables
    correlation_id BLOB NOT NULL,
    causation_id   BLOB,
    traceparent    TEXT,
    tracestate     TEXT,
    baggage        TEXT,
    reply_to       TEXT,
    data           TEXT NOT NULL
) STRICT;

CREATE INDEX tidings_log_flow ON tidings_log (correlation_id);

CREATE TABLE tidings_consumers (
    name           TEXT NOT NULL PRIMARY KEY,
    kind           TEXT NOT NULL,
    reads          TEXT NOT NULL, -- a JSON array of the names it reads now
    cursor         INTEGER NOT NULL,
    fence          INTEGER NOT NULL DEFAULT 0,
    begun_first    INTEGER,
    begun_count    INTEGER,
    begun_tries    INTEGER,
    registered_at  INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    life           INTEGER NOT NULL DEFAULT 1, -- grows when a retired consumer comes back
    retired_at     INTEGER,
    retired_reason TEXT
) STRICT, WITHOUT ROWID;

-- Between which positions a consumer has read which names: a receipt is a range, and says nothing about a message in it
-- that the consumer did not read at the time. `last` is NULL while it still reads the name.
CREATE TABLE tidings_reads (
    consumer TEXT NOT NULL,
    name     TEXT NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER,
    PRIMARY KEY (consumer, name, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE tidings_receipts (
    consumer TEXT NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    life     INTEGER NOT NULL, -- of the consumer; what lies between two lives was not handled
    PRIMARY KEY (consumer, first, last)
) STRICT, WITHOUT ROWID;

CREATE TABLE tidings_parked (
    consumer TEXT NOT NULL,
    position INTEGER NOT NULL,
    key      TEXT, -- the key that this row holds back; NULL when it holds none (any more)
    state    TEXT NOT NULL, -- retrying, behind, dead, discarded. Without a CHECK: see tidings_jobs
    attempts INTEGER NOT NULL,
    due      INTEGER,
    error    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    reason   TEXT,
    PRIMARY KEY (consumer, position)
) STRICT, WITHOUT ROWID;

CREATE INDEX tidings_parked_key ON tidings_parked (consumer, key, position) WHERE key IS NOT NULL;
CREATE INDEX tidings_parked_due ON tidings_parked (consumer, due) WHERE state = 'retrying';
CREATE INDEX tidings_parked_position ON tidings_parked (position);
CREATE INDEX tidings_parked_discarded ON tidings_parked (at) WHERE state = 'discarded';

CREATE TABLE tidings_outcomes (
    id             BLOB NOT NULL PRIMARY KEY,
    command        TEXT NOT NULL,
    correlation_id BLOB NOT NULL,
    caller         TEXT,
    key            TEXT,
    payload_hash   BLOB,
    status         TEXT NOT NULL,
    body           TEXT NOT NULL,
    at             INTEGER NOT NULL,
    expires        INTEGER NOT NULL,
    unhandled      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX tidings_outcomes_key ON tidings_outcomes (caller, command, key) WHERE key IS NOT NULL;
CREATE INDEX tidings_outcomes_unhandled ON tidings_outcomes (at) WHERE unhandled = 1;

-- Migrations of the modules, and under the reserved name `tidings` those of this schema itself.
CREATE TABLE tidings_migrations (
    module     TEXT NOT NULL,
    version    INTEGER NOT NULL,
    name       TEXT NOT NULL,
    checksum   BLOB NOT NULL,
    applied_at INTEGER NOT NULL,
    PRIMARY KEY (module, version)
) STRICT, WITHOUT ROWID;

-- One row: whether the runtime that had the file last ended in order, and how many messages were ever removed from the
-- log. A new message's position is one above the newest, so the log has as many messages as the newest position says,
-- less the removed ones: counting them would read the whole table.
CREATE TABLE tidings_runtime (
    only    INTEGER PRIMARY KEY CHECK (only = 1),
    clean   INTEGER NOT NULL,
    removed INTEGER NOT NULL
) STRICT;

INSERT INTO tidings_runtime (only, clean, removed) VALUES (1, 1, 0);
