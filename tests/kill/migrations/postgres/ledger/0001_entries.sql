-- As for SQLite: nothing is unique here, so that what happens twice is seen twice.
CREATE TABLE entries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account text NOT NULL, seq bigint NOT NULL, amount bigint NOT NULL,
    event_id text NOT NULL
);
CREATE TABLE ledger_effects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event text NOT NULL, account text NOT NULL, seq bigint NOT NULL
);
CREATE TABLE slips (command_id text NOT NULL, account text NOT NULL, seq bigint NOT NULL);
CREATE INDEX entries_item ON entries (account, seq);
CREATE INDEX slips_command ON slips (command_id);
