CREATE TABLE seals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account text NOT NULL, seq bigint NOT NULL, job_id text NOT NULL,
    receipt text NOT NULL
);
