CREATE TABLE bookings (
    id        uuid NOT NULL PRIMARY KEY,
    room      text NOT NULL,
    starts_at text NOT NULL,
    guest     text NOT NULL,
    UNIQUE (room, starts_at)
);
