-- The log. Transactions commit out of the order of their positions, so no cursor is a position: each row carries the
-- id of its transaction, and a cursor is a snapshot. See src/cursor.rs.
-- The sequence must not cache: a session that drew positions ahead would give an effect a lower one than its cause.
-- `xid` comes first, because defaults are taken in the order of the columns: who has a position has a transaction id, so
-- that there is a moment from which on no row with an old position can appear any more (see src/retention/stable.rs).
-- `slot` (0 to 63) is computed from the key by tidings-core, never by SQL: whatever is in one slot is in one partition.
-- Retention deletes the oldest rows all the time, and vacuum makes room of them for the newest: it comes when a twentieth is gone
-- and not, as is usual, a fifth, which would be carried along as well.
CREATE TABLE tidings_log (
    xid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position       bigint GENERATED ALWAYS AS IDENTITY (CACHE 1) PRIMARY KEY,
    slot           smallint NOT NULL,
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
    data           text NOT NULL    -- not jsonb, which changes the text and refuses \u0000
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

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
    life           bigint NOT NULL DEFAULT 1, -- grows when a retired consumer comes back
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
) WITH (fillfactor = 50);

-- Moved on after whatever changes who works on what, so that a poll can tell cheaply that something has.
CREATE SEQUENCE tidings_crew_changes;

-- Every cursor there is: what reading moves, and what retention, receipts and flows ask.
CREATE VIEW tidings_cursors AS
SELECT c.name AS consumer, c.message_kind, p.partition, c.partitions, p.cursor, c.retired_at
FROM tidings_consumers c JOIN tidings_partitions p ON p.consumer = c.name;

-- Between which cursors a consumer has read which names: a receipt is a range, and says nothing about a message in it
-- that the consumer did not read at the time. `to_cursor` is NULL while it still reads the name.
CREATE TABLE tidings_reads (
    ord         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text NOT NULL,
    partition   smallint NOT NULL,
    name        text NOT NULL,
    from_cursor text NOT NULL,
    to_cursor   text
);

CREATE INDEX tidings_reads_name ON tidings_reads (name, consumer);
CREATE INDEX tidings_reads_consumer ON tidings_reads (consumer);

-- A young receipt holds the cursors on both sides of its batch, because the positions between its first and its last may
-- belong to transactions that commit later. When no such transaction is left it becomes a stable one: a range of positions
-- without its holes, which are messages that the consumer reads, too, but that belong to other receipts. Maintenance sees
-- to that (src/retention/stable.rs). A settled message's receipt is born stable: it covers its one position.
CREATE TABLE tidings_receipts (
    ord         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer    text NOT NULL,
    partition   smallint NOT NULL,
    first       bigint NOT NULL,
    last        bigint NOT NULL,
    count       bigint NOT NULL,
    at          bigint NOT NULL,
    life        bigint NOT NULL, -- of the consumer; what lies between two lives was not handled
    attempts    bigint, -- how often a message was tried that was parked and handled at last; NULL for batches
    from_cursor text, -- NULL in a stable one
    to_cursor   text,
    holes       bigint[]
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

CREATE INDEX tidings_receipts_covering ON tidings_receipts (consumer, first, last);
CREATE INDEX tidings_receipts_young ON tidings_receipts (first) WHERE from_cursor IS NOT NULL;

-- `ord` is the order of parking, which is the order in which the consumer read; positions may run against it.
CREATE TABLE tidings_parked (
    consumer text NOT NULL,
    partition smallint NOT NULL,
    position bigint NOT NULL, -- of a message, which a discarded row may outlive
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
CREATE INDEX tidings_parked_position ON tidings_parked (position);
CREATE INDEX tidings_parked_discarded ON tidings_parked (at) WHERE state = 'discarded';

CREATE TABLE tidings_outcomes (
    id             uuid PRIMARY KEY,
    command        text NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id   uuid, -- the job that called the command
    caller         text,
    key            text,
    payload_hash   bytea,
    status         text NOT NULL,
    body           text NOT NULL,
    at             bigint NOT NULL,
    expires        bigint NOT NULL,
    unhandled      boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

CREATE UNIQUE INDEX tidings_outcomes_key ON tidings_outcomes (caller, command, key) WHERE key IS NOT NULL;
CREATE INDEX tidings_outcomes_unhandled ON tidings_outcomes (at) WHERE unhandled;
CREATE INDEX tidings_outcomes_flow ON tidings_outcomes (correlation_id) WHERE causation_id IS NOT NULL;

-- Migrations of the modules, and under the reserved name `tidings` those of this schema itself.
CREATE TABLE tidings_migrations (
    module     text NOT NULL,
    version    bigint NOT NULL,
    name       text NOT NULL,
    checksum   bytea NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (module, version)
);

-- One row, which maintenance keeps. The log has as many messages as `counted` (a snapshot) has seen appended, less those
-- that were removed since: to count them would read the whole table. `mark` and `mark_xid`: the receipts up to `mark` can
-- be made stable when every transaction below `mark_xid` has ended.
CREATE TABLE tidings_runtime (
    single   boolean PRIMARY KEY CHECK (single),
    counted  text NOT NULL,
    appended bigint NOT NULL,
    removed  bigint NOT NULL,
    mark     bigint,
    mark_xid xid8
);

INSERT INTO tidings_runtime (single, counted, appended, removed) VALUES (true, '1:1:', 0, 0);

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
LANGUAGE sql STABLE SET enable_seqscan = off SET jit = off AS $$
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
