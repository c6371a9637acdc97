INSERT INTO tidings_partitions (consumer, partition, cursor)
SELECT $1, partition, $3 FROM generate_series(0, $2 - 1) AS partition
ON CONFLICT (consumer, partition) DO NOTHING
