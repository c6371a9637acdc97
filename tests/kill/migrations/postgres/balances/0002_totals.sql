CREATE TABLE totals (account text PRIMARY KEY, total bigint NOT NULL);
