-- As for SQLite, but for the numbers: what is bound is of 64 bits, and identities have to be asked for.
CREATE TABLE mirror_effects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event text NOT NULL, account text NOT NULL, seq bigint NOT NULL
);
