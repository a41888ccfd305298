-- Events of the log that become no fact, though they should.
CREATE TABLE unprojected_events (
    event_id        uuid        PRIMARY KEY,
    event_type      text        NOT NULL,
    conversation_id uuid,
    reason          text        NOT NULL,
    at              timestamptz NOT NULL,
    arrived_at      timestamptz NOT NULL
);
CREATE INDEX unprojected_events_arrived_at ON unprojected_events (arrived_at);
CREATE INDEX rejected_events_at ON rejected_events (rejected_at);

GRANT SELECT ON unprojected_events TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON unprojected_events TO ml_jobs;
