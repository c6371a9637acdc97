-- All of a key that have not begun wait, until it is clear who is the first of them.
UPDATE tidings_jobs SET state = 'behind', turn = NULL, waits_until = NULL, holds = 1
WHERE queue = ?1 AND key = ?2 AND holds <> 0 AND state IN ('ready', 'scheduled', 'suspect', 'behind')
