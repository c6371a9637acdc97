-- In the order of the indexes, so that nothing is sorted but the sums, however many wait.
SELECT queue, turn, sum(jobs), min(first) FROM (
    SELECT queue, turn, count(*) AS jobs, min(place) AS first FROM tidings_jobs
    WHERE turn IS NOT NULL AND (share IS NULL OR turn >= 100000) AND place NOT IN (SELECT place FROM tidings_claims)
    GROUP BY queue, turn
    UNION ALL
    SELECT queue, turn, count(*), min(place) FROM tidings_jobs
    WHERE share IS NOT NULL AND turn < 100000 AND place NOT IN (SELECT place FROM tidings_claims)
    GROUP BY queue, turn)
GROUP BY queue, turn
