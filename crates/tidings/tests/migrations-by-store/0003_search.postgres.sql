CREATE INDEX notes_text ON notes USING hash (text);
