-- One that reads other names than before goes on in a new generation: whoever holds it may not have heard of them.
UPDATE tidings_consumers SET fence = fence + (reads <> ?3), kind = ?2, reads = ?3, last_seen = ?4 WHERE name = ?1
