-- One row for each time a message was handled. Nothing is unique here, so that what happens twice is seen twice.
CREATE TABLE mirror_effects (id INTEGER PRIMARY KEY, event TEXT NOT NULL, account TEXT NOT NULL, seq INTEGER NOT NULL);
