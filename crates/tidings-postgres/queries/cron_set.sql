INSERT INTO tidings_crons AS c (name, expression, due)
SELECT n.name, n.expression, n.due FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS n (name, expression, due, latest)
ON CONFLICT (name) DO UPDATE SET expression = EXCLUDED.expression, due = EXCLUDED.due
-- A time that is later than it can be is from a clock that was ahead, and would not come for as long as it was.
WHERE c.expression <> EXCLUDED.expression
   OR c.due > (SELECT n.latest FROM unnest($1::text[], $4::bigint[]) AS n (name, latest) WHERE n.name = c.name LIMIT 1)
