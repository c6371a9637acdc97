-- In the order of the index, so that nothing is sorted, however many wait.
SELECT queue, turn, count(*), min(place) FROM tidings_jobs
WHERE turn IS NOT NULL AND place NOT IN (SELECT place FROM tidings_claims)
GROUP BY queue, turn
