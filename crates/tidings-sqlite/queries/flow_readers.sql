-- Who has read which names between which positions, and how far it has come.
SELECT w.consumer, c.kind, w.name, w.first, w.last, c.cursor
FROM tidings_reads AS w
JOIN tidings_consumers AS c ON c.name = w.consumer
