CREATE TABLE daily_totals (
    day     TEXT   NOT NULL PRIMARY KEY,
    placed  BIGINT NOT NULL DEFAULT 0,
    cents   BIGINT NOT NULL DEFAULT 0,
    shipped BIGINT NOT NULL DEFAULT 0
);

-- A day as it was when its report was made.
CREATE TABLE daily_reports (
    day     TEXT        NOT NULL PRIMARY KEY,
    placed  BIGINT      NOT NULL,
    cents   BIGINT      NOT NULL,
    shipped BIGINT      NOT NULL,
    made_at TIMESTAMPTZ NOT NULL
);
