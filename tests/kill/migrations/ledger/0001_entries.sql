-- Nothing is unique here, so that what happens twice is seen twice.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY, account TEXT NOT NULL, seq INTEGER NOT NULL, amount INTEGER NOT NULL, event_id TEXT NOT NULL
);
CREATE TABLE ledger_effects (id INTEGER PRIMARY KEY, event TEXT NOT NULL, account TEXT NOT NULL, seq INTEGER NOT NULL);
CREATE TABLE slips (command_id TEXT NOT NULL, account TEXT NOT NULL, seq INTEGER NOT NULL);
