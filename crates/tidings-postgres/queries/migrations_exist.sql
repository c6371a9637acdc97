-- By the schema that was asked for, not by the search path: another schema's tables are another application's. A schema that
-- the role may not use looks like an empty one to it.
SELECT EXISTS (SELECT 1 FROM pg_class c WHERE c.relname = 'tidings_migrations' AND c.relnamespace = n.oid) AS there,
       has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_namespace n
WHERE n.nspname = coalesce($1, current_schema()::text)
