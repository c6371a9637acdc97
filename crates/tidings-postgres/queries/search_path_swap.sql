-- For the rest of this transaction only (`true`); what it was is read before it is set.
SELECT before.path, set_config('search_path', $1, true)
FROM (SELECT current_setting('search_path') AS path OFFSET 0) AS before
