-- The fence goes on growing if the name was used before: an old lease stays void. The cursor never goes back: what was
-- handled in an earlier life would have its effects twice, so one that starts at the beginning ($4 is false) starts where it
-- was retired.
INSERT INTO tidings_partitions (consumer, partition, cursor)
SELECT $1, partition, $3 FROM generate_series(0, $2::integer - 1) AS partition
ON CONFLICT (consumer, partition) DO UPDATE
SET cursor = CASE WHEN $4 THEN excluded.cursor ELSE tidings_partitions.cursor END, fence = tidings_partitions.fence + 1,
    holder = NULL, begun_first = NULL, begun_count = NULL, begun_tries = NULL
