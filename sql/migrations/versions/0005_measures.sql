-- What the customer and the agent do in a turn, one row per (turn, act). source: agent (an event of its own says so), model
-- or rule. tagger: the version that read it; event_id: what it was read from; at: the time of the turn.
CREATE TABLE acts (
    conversation_id uuid             NOT NULL,
    turn            integer          NOT NULL,
    act             text             NOT NULL,
    at              timestamptz      NOT NULL,
    source          text             NOT NULL CHECK (source IN ('agent', 'model', 'rule')),
    probability     double precision NOT NULL,
    tagger          text             NOT NULL,
    event_id        uuid             NOT NULL,
    PRIMARY KEY (conversation_id, turn, act, at)
) PARTITION BY RANGE (at);
CREATE INDEX acts_at ON acts USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- Mean of the squared values where value is a mean of anything but 0 and 1: what an interval needs. It merges as value does.
ALTER TABLE metric_rollups ADD COLUMN mean_square double precision;

-- The rollups of hours merged into days and weeks (from Monday), UTC. low and high bound the value with 95 %, null where
-- nothing says how it varies.
CREATE TABLE metric_periods (
    grain        text             NOT NULL CHECK (grain IN ('day', 'week')),
    period_start timestamptz      NOT NULL,
    metric       text             NOT NULL,
    task         text             NOT NULL DEFAULT '',
    mode         text             NOT NULL DEFAULT '',
    version      text             NOT NULL DEFAULT '',
    slice        text             NOT NULL DEFAULT '',
    value        double precision NOT NULL,
    low          double precision,
    high         double precision,
    n            bigint           NOT NULL,
    mean_square  double precision,
    histogram    jsonb,
    PRIMARY KEY (grain, period_start, metric, task, mode, version, slice)
);

GRANT SELECT ON acts, metric_periods TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON acts, metric_periods TO ml_jobs;
