-- Voids all leases. What a live worker held is in order; what was left by one that is gone is still to be gone about carefully.
UPDATE tidings_partitions p
SET fence = fence + 1,
    holder = CASE WHEN EXISTS (SELECT 1 FROM tidings_workers w WHERE w.id = p.holder AND w.expires_at > clock_timestamp())
             THEN NULL ELSE holder END
WHERE consumer = $1
