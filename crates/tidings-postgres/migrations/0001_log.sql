-- The log. Transactions commit out of the order of their positions, so no cursor is a position: each row carries the
-- id of its transaction, and a cursor is a snapshot. See src/cursor.rs.
-- The sequence must not cache: a session that drew positions ahead would give an effect a lower one than its cause.
-- `slot` (0 to 63) is computed from the key by tidings-core, never by SQL: whatever is in one slot is in one partition.
CREATE TABLE tidings_log (
    position       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    xid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id             uuid NOT NULL UNIQUE,
    kind           text NOT NULL,
    name           text NOT NULL,
    version        bigint NOT NULL,
    source         text NOT NULL,
    key            text,
    time           bigint NOT NULL, -- microseconds since 1970-01-01 UTC, as all times in these tables
    correlation_id uuid NOT NULL,
    causation_id   uuid,
    traceparent    text,
    tracestate     text,
    baggage        text,
    reply_to       text,
    data           text NOT NULL,   -- not jsonb, which changes the text and refuses \u0000
    slot           smallint NOT NULL
);

-- The position is in it so that what one transaction has written can be read in order.
CREATE INDEX tidings_log_xid ON tidings_log (xid, position);
CREATE INDEX tidings_log_flow ON tidings_log (correlation_id);

CREATE TABLE tidings_consumers (
    name           text PRIMARY KEY,
    kind           text NOT NULL,
    message_kind   text NOT NULL,
    reads          text[] NOT NULL,
    generation     bigint NOT NULL,   -- a hash of what it reads
    partitions     smallint NOT NULL, -- as its first registration wished; slots belong to `slot % partitions` for ever
    registered_at  bigint NOT NULL,
    last_seen      bigint NOT NULL,
    retired_at     bigint,
    retired_reason text
);

-- How far each partition of a consumer has come. Updated with every batch: room is left in each page, so that no index has
-- to be touched.
CREATE TABLE tidings_partitions (
    consumer    text NOT NULL,
    partition   smallint NOT NULL,
    cursor      text NOT NULL,
    fence       bigint NOT NULL DEFAULT 0,
    holder      bigint, -- the worker that took it and has not given it back; its row may be gone
    begun_first bigint,
    begun_count bigint,
    begun_tries bigint,
    PRIMARY KEY (consumer, partition)
) WITH (fillfactor = 50);

-- Who works: a process each. A worker is live while its row is there and has not expired, by the clock of this server.
CREATE TABLE tidings_workers (
    id          bigint PRIMARY KEY, -- at random, never used twice
    about       text NOT NULL,
    consumers   text[] NOT NULL,
    generations bigint[] NOT NULL DEFAULT '{}', -- of `consumers`, in the same order
    jobs        text[] NOT NULL,
    lease       interval NOT NULL,
    expires_at  timestamptz NOT NULL,
    enlisted_at timestamptz NOT NULL
);

-- Moved on after whatever changes who works on what, so that a poll can tell cheaply that something has.
CREATE SEQUENCE tidings_crew_changes;

-- A batch's receipt holds the cursors on both sides of it, because the positions between its first and its last may
-- belong to transactions that commit later. A settled message's receipt has none: it covers its one position.
CREATE TABLE tidings_receipts (
    consumer    text NOT NULL,
    partition   smallint NOT NULL,
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    count       bigint NOT NULL,
    at          bigint NOT NULL,
    from_cursor text,
    to_cursor   text
);

CREATE INDEX tidings_receipts_covering ON tidings_receipts (consumer, first, last);

-- `ord` is the order of parking, which is the order in which the consumer read; positions may run against it.
CREATE TABLE tidings_parked (
    consumer text NOT NULL,
    partition smallint NOT NULL,
    position bigint NOT NULL REFERENCES tidings_log,
    ord      bigint GENERATED ALWAYS AS IDENTITY,
    key      text, -- the key that this row holds back; NULL when it holds none (any more)
    state    text NOT NULL CHECK (state IN ('retrying', 'behind', 'dead', 'discarded')),
    attempts bigint NOT NULL,
    due      bigint,
    error    text NOT NULL,
    at       bigint NOT NULL,
    reason   text,
    PRIMARY KEY (consumer, position)
);

CREATE INDEX tidings_parked_key ON tidings_parked (consumer, key, ord) WHERE key IS NOT NULL;
CREATE INDEX tidings_parked_due ON tidings_parked (consumer, partition, due) WHERE state = 'retrying';

CREATE TABLE tidings_migrations (
    module     text NOT NULL,
    version    bigint NOT NULL,
    name       text NOT NULL,
    sql        text NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (module, version)
);

-- Whether a cursor (`lo~hi~position`) has passed a row.
CREATE FUNCTION tidings_passed(cursor text, xid xid8, pos bigint) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT pg_visible_in_snapshot(xid, split_part(cursor, '~', 1)::pg_snapshot)
        OR (pos <= split_part(cursor, '~', 3)::bigint
            AND pg_visible_in_snapshot(xid, split_part(cursor, '~', 2)::pg_snapshot))
$$;

-- How many messages of one partition lie behind a cursor. Without the setting the planner, which does not know the snapshot,
-- takes a third of the log for unread and reads all of it.
CREATE FUNCTION tidings_unread(cursor text, message_kind text, reads text[], part smallint, parts smallint) RETURNS bigint
LANGUAGE sql STABLE SET enable_seqscan = off AS $$
    WITH place AS MATERIALIZED (
        SELECT split_part(cursor, '~', 1)::pg_snapshot AS lo, split_part(cursor, '~', 2)::pg_snapshot AS hi,
               split_part(cursor, '~', 3)::bigint AS position
    )
    SELECT count(*) FROM tidings_log l, place
    WHERE (l.xid >= (SELECT pg_snapshot_xmax(lo) FROM place)
           OR l.xid = ANY (ARRAY(SELECT pg_snapshot_xip(lo) FROM place)))
      AND l.kind = message_kind AND l.name = ANY (reads) AND l.slot % parts = part
      AND NOT (l.position <= place.position AND pg_visible_in_snapshot(l.xid, place.hi))
$$;
