-- The transaction has nothing that could be lost: its commit need not wait for the disk.
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2),
       CASE WHEN $3 THEN nextval('tidings_crew_changes') END
