UPDATE tidings_reads r SET to_cursor = v.cursor
FROM tidings_cursors v
WHERE r.consumer = $1 AND r.to_cursor IS NULL AND r.name <> ALL ($2::text[])
  AND v.consumer = $1 AND v.partition = r.partition
