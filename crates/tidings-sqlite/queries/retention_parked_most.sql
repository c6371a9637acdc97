SELECT count(*), consumer FROM tidings_parked WHERE state <> 'discarded'
GROUP BY consumer ORDER BY count(*) DESC LIMIT 1
