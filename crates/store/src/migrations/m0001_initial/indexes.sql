-- What is looked for often. They come last: columns that an earlier version lacks must be there.

-- Whoever else writes to this database can never double an entry.
CREATE UNIQUE INDEX IF NOT EXISTS event_once ON event (session, seq);
CREATE INDEX IF NOT EXISTS customer_address ON customer (address);
CREATE INDEX IF NOT EXISTS delivery_waiting ON delivery (receiver, state);
CREATE INDEX IF NOT EXISTS incident_ticket ON incident (desk, ticket);
CREATE INDEX IF NOT EXISTS journal_incident ON journal (incident);
CREATE INDEX IF NOT EXISTS mail_name ON mail (name);
CREATE INDEX IF NOT EXISTS session_incident ON session (incident);
