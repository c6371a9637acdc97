-- A command that a job calls belongs to the job's flow.
ALTER TABLE tidings_outcomes ADD COLUMN causation_id BLOB;
CREATE INDEX tidings_outcomes_flow ON tidings_outcomes (correlation_id) WHERE causation_id IS NOT NULL;

-- How often a message was tried that was parked and handled at last; NULL for what went well with its batch, and for
-- receipts that were merged.
ALTER TABLE tidings_receipts ADD COLUMN attempts INTEGER;

-- Jobs, those that have ended among them until retention takes them. To begin an attempt changes nothing here: see
-- `tidings_claims`. To complete the job changes two indexes and no more: an index whose condition names a changed column costs
-- an update even where nothing in it changes. So what is indexed are columns of their own, that are NULL where they do not
-- matter, and not `state`.
CREATE TABLE tidings_jobs (
    place          INTEGER PRIMARY KEY, -- in the order of enqueueing
    id             BLOB NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    queue          TEXT NOT NULL,
    state          TEXT NOT NULL, -- scheduled, ready, suspect, behind, completed, dead, cancelled, discarded; while it runs, what
                                  -- it was before. Without a CHECK: of a list of more than two SQLite makes a b-tree for
                                  -- each row that is written, which cost as much as the rest of the row
    priority       INTEGER NOT NULL,
    turn           INTEGER, -- ready: its priority, with 300000 added if it has a share, so that those without one are found past any
                            -- number of others; 100000: suspect, 100001: dead; else NULL
    waits_until    INTEGER, -- when it is due, while it is scheduled
    due            INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    key            TEXT,
    share          TEXT,
    holds          INTEGER NOT NULL, -- 1 while it holds back later jobs of its queue and key; 2 while it waits behind a
                                     -- later one, that moved up while it had let go of the key; else 0
    unique_key     TEXT, -- while it is taken
    unique_wish    TEXT, -- the same for good: what it takes back when it is revived
    unique_hash    BLOB,
    unique_until   INTEGER,
    source         TEXT NOT NULL,
    correlation_id BLOB NOT NULL,
    causation_id   BLOB,
    traceparent    TEXT,
    tracestate     TEXT,
    baggage        TEXT,
    attempts       INTEGER NOT NULL DEFAULT 0, -- that have ended
    failures       INTEGER NOT NULL DEFAULT 0,
    losses         INTEGER NOT NULL DEFAULT 0,
    started_at     INTEGER, -- when the last of them began
    died_at        INTEGER,
    ended_at       INTEGER, -- when it came to a state that it will not leave
    death          TEXT,
    error          TEXT,
    reason         TEXT, -- why it was, or is to be, cancelled or discarded
    progress       TEXT,
    data           TEXT NOT NULL
) STRICT;

CREATE INDEX tidings_jobs_turn ON tidings_jobs (queue, turn) WHERE turn IS NOT NULL;
CREATE INDEX tidings_jobs_share ON tidings_jobs (queue, turn, share) WHERE turn IS NOT NULL AND share IS NOT NULL;
CREATE INDEX tidings_jobs_waiting ON tidings_jobs (queue, waits_until) WHERE waits_until IS NOT NULL;
CREATE INDEX tidings_jobs_ended ON tidings_jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX tidings_jobs_key ON tidings_jobs (queue, key) WHERE holds = 1;
CREATE INDEX tidings_jobs_key_after ON tidings_jobs (queue, key) WHERE holds = 2;
CREATE UNIQUE INDEX tidings_jobs_unique ON tidings_jobs (name, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX tidings_jobs_flow ON tidings_jobs (correlation_id);

-- The attempts that are under way, and no others: a job runs if and only if it has a row here. A row of four columns is
-- written and deleted in less than half the time in which that of the job is changed.
CREATE TABLE tidings_claims (
    place      INTEGER PRIMARY KEY, -- the job's
    worker     INTEGER NOT NULL,
    attempt    INTEGER NOT NULL,
    started_at INTEGER NOT NULL
) STRICT;

-- Attempts that did not complete their job.
CREATE TABLE tidings_attempts (
    job        INTEGER NOT NULL, -- its place
    attempt    INTEGER NOT NULL,
    worker     INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    ending     TEXT NOT NULL,
    error      TEXT NOT NULL,
    PRIMARY KEY (job, attempt)
) STRICT, WITHOUT ROWID;

-- In which queue the jobs of a name wait.
CREATE TABLE tidings_job_names (
    name  TEXT NOT NULL PRIMARY KEY,
    queue TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Queues of which there is more to know than their jobs say. `next_free` is the time at which a queue with a limited rate
-- would have started all that it has, one by one at an even pace: the theoretical arrival time of GCRA (ATM Forum, Traffic
-- Management Specification 4.1).
CREATE TABLE tidings_queues (
    name          TEXT NOT NULL PRIMARY KEY,
    paused_at     INTEGER,
    paused_reason TEXT,
    next_free     INTEGER
) STRICT, WITHOUT ROWID;

-- Where the round of shares stands, for each priority: who was served last; '' for those without a share.
CREATE TABLE tidings_rounds (
    queue    TEXT NOT NULL,
    priority INTEGER NOT NULL,
    share    TEXT NOT NULL,
    PRIMARY KEY (queue, priority)
) STRICT, WITHOUT ROWID;

CREATE TABLE tidings_crons (
    name       TEXT NOT NULL PRIMARY KEY,
    expression TEXT NOT NULL,
    due        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Those who work on jobs. An id is never used twice, so that what an ended worker claimed is seen to be its own.
CREATE TABLE tidings_workers (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    about TEXT NOT NULL
) STRICT;
