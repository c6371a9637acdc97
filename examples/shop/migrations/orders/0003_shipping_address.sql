-- Where an order goes. Personal data: it stays in this table, and whoever needs it asks.
ALTER TABLE orders ADD COLUMN ship_to_name TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN ship_to_street TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN ship_to_city TEXT NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN ship_to_country TEXT NOT NULL DEFAULT '';
