-- Jobs. What is written once is apart from what changes: `tidings_jobs` holds a job as it was enqueued, `tidings_jobs_live`
-- a slim row for as long as the job has not come to its end, `tidings_jobs_ended` another one from then on. SQLite has all of
-- it in one table; here each change of a row is a new version of it, and one that carries the payload along, or that lies
-- in six indexes, is what a queue dies of.
--
-- A claim writes no row per job at all: it notes the places of all that it takes in one row of `tidings_claims`. A job runs if
-- and only if a claim has its place and the row in `tidings_jobs_live` still has as many attempts as the claim found. Every
-- end of an attempt changes that number or deletes the row, so whatever a claim says of attempts that have ended means nothing.
-- A function that is called from outside says itself how it is to be planned, and that nothing is compiled for it: what is set for
-- a session is lost behind a pooler. Those that are called by others run under the caller's settings.
-- All times are microseconds since 1970-01-01 UTC and somebody's parameter; only leases go by the database's clock.

CREATE SEQUENCE tidings_job_places CACHE 1; -- an effect must not come before its cause: see tidings_log

CREATE TABLE tidings_jobs (
    place          bigint PRIMARY KEY, -- in the order of enqueueing
    id             uuid NOT NULL UNIQUE,
    name           text NOT NULL,
    priority       smallint NOT NULL,
    due            bigint NOT NULL,
    at             bigint NOT NULL,
    key            text,
    share          text,
    unique_key     text,
    unique_hash    bytea,
    unique_until   bigint,
    source         text NOT NULL,
    correlation_id uuid NOT NULL,
    causation_id   uuid,
    traceparent    text,
    tracestate     text,
    baggage        text,
    data           text NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

CREATE INDEX tidings_jobs_flow ON tidings_jobs (correlation_id);

-- The state is told by the columns that are indexed, each of them NULL where it does not matter: see tidings_job_rows.
CREATE TABLE tidings_jobs_live (
    place       bigint PRIMARY KEY,
    queue       text NOT NULL,
    name        text NOT NULL,
    priority    smallint NOT NULL,
    holds       smallint NOT NULL DEFAULT 0, -- 1: it waits for its key, 2: it has its key, 0: no key, or it has let go of it
    is_unique   boolean NOT NULL DEFAULT false,
    turn        integer, -- ready or running: its priority; 100000: suspect; 100002: dead
    attempts    integer NOT NULL DEFAULT 0, -- that have ended
    failures    integer NOT NULL DEFAULT 0,
    losses      integer NOT NULL DEFAULT 0,
    waits_until bigint, -- while it is scheduled
    due         bigint, -- if it is not the one that it was enqueued with
    started_at  bigint, -- the last attempt that has ended
    died_at     bigint,
    key         text,
    share       text COLLATE "C", -- the order in which shares take turns is the same everywhere
    death       text,
    error       text,
    reason      text, -- why it is to be cancelled
    progress    text
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);

-- What is ready, or running, is in one of these two. Those without a share are apart, so that they are found past any number of
-- others; suspects and dead jobs take no turns.
CREATE INDEX tidings_jobs_live_turn ON tidings_jobs_live (queue, turn, place)
    WHERE turn IS NOT NULL AND (share IS NULL OR turn >= 100000);
CREATE INDEX tidings_jobs_live_share ON tidings_jobs_live (queue, turn, share, place) WHERE share IS NOT NULL AND turn < 100000;
CREATE INDEX tidings_jobs_live_waiting ON tidings_jobs_live (queue, waits_until) WHERE waits_until IS NOT NULL;
CREATE INDEX tidings_jobs_live_key ON tidings_jobs_live (queue, key, holds, place) WHERE holds > 0;

-- No index but its key, whose rows come nearly in order, and one by time that costs a row nothing: retention is in no hurry.
CREATE TABLE tidings_jobs_ended (
    place      bigint PRIMARY KEY,
    queue      text NOT NULL,
    state      text NOT NULL CHECK (state IN ('completed', 'cancelled', 'discarded')),
    ended_at   bigint NOT NULL,
    started_at bigint,
    due        bigint, -- if it is not the one that it was enqueued with
    attempts   integer NOT NULL,
    failures   integer NOT NULL,
    losses     integer NOT NULL,
    kept_until bigint, -- so long it keeps its unique key
    death      text,
    error      text,
    reason     text,
    progress   text
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000);

CREATE INDEX tidings_jobs_ended_at ON tidings_jobs_ended USING brin (ended_at) WITH (pages_per_range = 16);

-- Unique keys that are taken: until the job has ended, and in any case until their time.
CREATE TABLE tidings_unique (
    name       text NOT NULL,
    unique_key text NOT NULL,
    place      bigint NOT NULL,
    hash       bytea NOT NULL,
    until      bigint,
    PRIMARY KEY (name, unique_key)
);

-- What was claimed, one row for each claim. `attempts` are those that had ended before. A row whose attempts have all ended
-- is of no more use, and is deleted by the ends that fit it exactly or, a little later, by a sweep.
CREATE SEQUENCE tidings_claim_numbers CACHE 1;

-- The number of a claim: in order, and with a part that is drawn at random. A standby that is promoted without the last commits
-- gives places and numbers of the sequence out again, and an attempt that runs since before must not end another's job.
CREATE FUNCTION tidings_claim_number() RETURNS bigint LANGUAGE sql AS $$
    SELECT nextval('tidings_claim_numbers') * 1048576 + floor(random() * 1048576)::bigint
$$;

CREATE TABLE tidings_claims (
    n          bigint PRIMARY KEY,
    worker     bigint NOT NULL,
    queue      text NOT NULL,
    places     bigint[] NOT NULL,
    attempts   integer[] NOT NULL,
    started_at bigint NOT NULL,
    is_limited boolean NOT NULL DEFAULT false -- somebody may wait for its ends: see Claim::running_max
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

CREATE INDEX tidings_claims_queue ON tidings_claims (queue);

-- Keys of which it has to be decided anew who has his turn: see tidings_key_turns.
CREATE TABLE tidings_key_marks (
    n     bigint GENERATED ALWAYS AS IDENTITY,
    queue text NOT NULL,
    key   text NOT NULL,
    place bigint, -- whose attempt has ended; NULL where nobody's has
    at    bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);

CREATE INDEX tidings_key_marks_queue ON tidings_key_marks (queue, n);

-- Attempts that did not complete their job.
CREATE TABLE tidings_attempts (
    job        bigint NOT NULL, -- its place
    attempt    integer NOT NULL,
    worker     bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at   bigint NOT NULL,
    ending     text NOT NULL,
    error      text NOT NULL,
    PRIMARY KEY (job, attempt)
);

-- In which queue the jobs of a name wait.
CREATE TABLE tidings_job_names (
    name  text PRIMARY KEY,
    queue text NOT NULL
);

-- Queues of which there is more to know than their jobs say. `next_free` is the theoretical arrival time of GCRA: see
-- src/jobs/rate.rs.
CREATE TABLE tidings_queues (
    name          text PRIMARY KEY,
    paused_at     bigint,
    paused_reason text,
    next_free     bigint
) WITH (fillfactor = 50);

-- Where the round of shares stands, for each priority: who was served last; '' for those without a share.
CREATE TABLE tidings_rounds (
    queue    text NOT NULL,
    priority integer NOT NULL,
    share    text NOT NULL,
    PRIMARY KEY (queue, priority)
) WITH (fillfactor = 50);

CREATE TABLE tidings_crons (
    name       text PRIMARY KEY,
    expression text NOT NULL,
    due        bigint NOT NULL
);

-- What is under way. One attempt may be in several claims: see tidings_place_jobs.
CREATE VIEW tidings_running AS
SELECT u.place, u.attempts, c.worker, c.n, c.started_at
FROM tidings_claims AS c
CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts)
CROSS JOIN LATERAL (SELECT FROM tidings_jobs_live AS l
                    WHERE l.place = u.place AND l.attempts = u.attempts OFFSET 0) AS l;
