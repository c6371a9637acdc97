-- All of a key that have not begun wait, until it is clear who is the first of them. Looked for in either index of keys.
UPDATE tidings_jobs SET state = 'behind', turn = NULL, waits_until = NULL, holds = 1
WHERE place IN (SELECT place FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 1
                UNION ALL
                SELECT place FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 2)
  AND state IN ('ready', 'scheduled', 'suspect', 'behind') AND place NOT IN (SELECT place FROM tidings_claims)
