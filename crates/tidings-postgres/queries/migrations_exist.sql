-- By the schema that was asked for, not by the search path: another schema's tables are another application's.
SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relname = 'tidings_migrations' AND n.nspname = coalesce($1, current_schema()::text))
