-- Whether worker $3 may hold the partition, which is locked: its present holder, the generation, and what the worker knows.
SELECT c.generation, c.partitions, c.retired_at IS NOT NULL AS retired,
       (SELECT known.generation FROM tidings_workers w,
               LATERAL unnest(w.consumers, w.generations) AS known (consumer, generation)
        WHERE w.id = $3 AND known.consumer = $1) AS known,
       p.holder, h.about, coalesce(h.expires_at > clock_timestamp(), false) AS live
FROM tidings_partitions p
JOIN tidings_consumers c ON c.name = p.consumer
LEFT JOIN tidings_workers h ON h.id = p.holder
WHERE p.consumer = $1 AND p.partition = $2
