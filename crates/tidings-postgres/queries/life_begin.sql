-- Voids all leases. The jump is at random and far, so that no fence of the old life is met again by counting on: a server
-- that has lost its last commits would otherwise give out once more what somebody still believes to have.
WITH voided AS (UPDATE tidings_partitions SET fence = fence + $1)
INSERT INTO tidings_life DEFAULT VALUES
