-- A rejection that nobody handled stays until a person has seen it. Ids are in the order of time, and outcomes are kept for
-- about the same time, so the expired ones are the first; what a few commands that took long left among them is passed
-- over. An index by expiry would be one more to write for every command.
DELETE FROM tidings_outcomes WHERE id IN (
    SELECT id FROM (SELECT id, expires FROM tidings_outcomes WHERE NOT unhandled ORDER BY id LIMIT 2 * $2) o
    WHERE expires <= $1
    LIMIT $2)
