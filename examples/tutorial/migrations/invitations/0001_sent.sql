CREATE TABLE sent (
    booking_id uuid NOT NULL PRIMARY KEY,
    sent_at    text NOT NULL
);
