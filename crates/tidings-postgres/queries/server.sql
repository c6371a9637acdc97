-- Who answers. `current_schema` is the first schema of the search path that exists.
SELECT current_setting('server_version_num')::int AS version, pg_encoding_to_char(encoding)::text AS encoding,
       current_schema()::text AS schema, current_setting('jit', true) IS NOT DISTINCT FROM 'on' AS compiles
FROM pg_database WHERE datname = current_database()
