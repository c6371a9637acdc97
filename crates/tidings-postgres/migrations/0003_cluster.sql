-- Transaction ids and snapshots mean nothing in another cluster, and what a process has of them in its memory means nothing any
-- more after a crash of the server. Two tables tell; see src/life.rs.

-- Where these tables are. Declared immutable because it is, for as long as a row stays in its place; that it is computed
-- anew when rows are copied elsewhere is what it is there for. A dump restores it before the rows.
CREATE FUNCTION tidings_here() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system())::text || '/' ||
           (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())::text
$$;

-- To which cluster and database the ids in these tables belong: one row. A dump holds `identity` and not `here`, which is
-- generated, so the two differ in a log that was restored; both are old in one that was moved by its files. A table of its
-- own, because the row's xmin tells when the restore was.
CREATE TABLE tidings_cluster (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    identity text NOT NULL DEFAULT tidings_here(),
    here     text NOT NULL GENERATED ALWAYS AS (tidings_here()) STORED
);

INSERT INTO tidings_cluster DEFAULT VALUES;

-- The server's present life: one row, or none. Unlogged, so that PostgreSQL empties it when it recovers from a crash or
-- promotes a standby, and so that nobody can read it on a standby.
CREATE UNLOGGED TABLE tidings_life (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    identity text NOT NULL DEFAULT tidings_here(),
    here     text NOT NULL GENERATED ALWAYS AS (tidings_here()) STORED,
    xid      xid8 NOT NULL DEFAULT pg_current_xact_id()
);

-- A row here says that the life goes on, and which it is. One that was restored is not counted: elsewhere it shows another `here`, and in
-- the same cluster another transaction has written it.
CREATE VIEW tidings_life_goes_on AS
SELECT 1 AS yes, xid::text AS life FROM tidings_life WHERE identity = here AND xmin = xid::xid;
