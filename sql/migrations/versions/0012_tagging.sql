-- Taggers of acts, and what the job that runs them may do.

ALTER TABLE acts ADD COLUMN turn_event_id uuid NOT NULL;

CREATE TABLE act_taggers (
    version  text        PRIMARY KEY,
    digest   text        NOT NULL UNIQUE,
    document bytea       NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT ON act_taggers TO ml_jobs, ml_dashboards;
GRANT INSERT ON act_taggers TO ml_jobs;
GRANT EXECUTE ON FUNCTION append_events(jsonb) TO ml_jobs;

-- What was said before there was a tagger is read too.
INSERT INTO fact_consumers VALUES ('acts');
INSERT INTO changed_hours (consumer, table_name, hour) SELECT 'acts', 'turns', hour FROM quality_verdicts ORDER BY hour;
