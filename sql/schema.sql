-- The whole schema of the database `ml_pipeline`, readable from top to bottom.
-- Migrations (sql/migrations/) lead to the same result; tests/integration proves it.
-- Times are timestamptz, intervals half-open, UTC. Needs PostgreSQL 16 or later and no extension.
-- Expects the roles ml_capture, ml_jobs and ml_dashboards (sql/roles.sql).


-- ---------------------------------------------------------------------------------------------
-- Ids that carry time
-- ---------------------------------------------------------------------------------------------

-- The smallest UUID whose leading 48 bits are the millisecond of `at`: bounds a range of UUIDv7 ids.
CREATE FUNCTION uuid_floor(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN rpad(lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0'), 32, '0')::uuid;

-- The millisecond that a UUIDv7 carries.
CREATE FUNCTION uuid_time(id uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN timestamptz '1970-01-01 00:00:00+00'
    + ('x0000' || left(replace(id::text, '-', ''), 12))::bit(64)::bigint * interval '1 millisecond';


-- ---------------------------------------------------------------------------------------------
-- The log: what happened, append-only, one door
-- ---------------------------------------------------------------------------------------------

-- The specification's event table. Partitioned by day on the id, whose leading bits are the event's time,
-- so that the id alone stays the key. Bound queries by id (uuid_floor), never by timestamp alone.
CREATE TABLE ml_tracking_events (
    id              uuid         PRIMARY KEY,
    conversation_id uuid,
    event_type      varchar(50)  NOT NULL,
    event_category  varchar(50)  NOT NULL,
    timestamp       timestamptz  NOT NULL,
    data            jsonb        NOT NULL,
    created_at      timestamptz  NOT NULL DEFAULT now(),
    client_id       text,                     -- the id as the caller gave it, where it was no UUIDv7 of ours
    source          text         NOT NULL DEFAULT 'agent',
    writer          uuid         NOT NULL,
    sequence        bigint       NOT NULL
) PARTITION BY RANGE (id);
CREATE INDEX ml_tracking_events_conversation ON ml_tracking_events (conversation_id, id);
CREATE INDEX ml_tracking_events_type ON ml_tracking_events (event_type, id);
-- The few predictions that replace an earlier one: the projection asks of every prediction whether it is replaced.
CREATE INDEX ml_tracking_events_replaces ON ml_tracking_events ((data ->> 'replaces'))
WHERE event_type = 'prediction' AND data ->> 'replaces' IS NOT NULL;

-- One row per committed batch: the ids it stored. Consumed by the projection (delete … returning).
CREATE TABLE log_ledger (
    entry      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ids        uuid[]      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Conservation per writer: accepted (= accepted_sequence) = stored + duplicate + rejected + quarantined + dropped + spooled.
CREATE TABLE capture_writers (
    writer            uuid        PRIMARY KEY,
    offered           bigint      NOT NULL DEFAULT 0,
    refused           jsonb       NOT NULL DEFAULT '{}',
    accepted_sequence bigint      NOT NULL DEFAULT 0,
    shipped_sequence  bigint      NOT NULL DEFAULT 0,
    stored            bigint      NOT NULL DEFAULT 0,
    duplicate         bigint      NOT NULL DEFAULT 0,
    rejected          bigint      NOT NULL DEFAULT 0,
    quarantined       bigint      NOT NULL DEFAULT 0,
    dropped           bigint      NOT NULL DEFAULT 0,
    first_seen        timestamptz NOT NULL DEFAULT now(),
    reported_at       timestamptz NOT NULL DEFAULT now()
);

-- Records the door would not take, with the reason. They never stop the queue.
CREATE TABLE rejected_events (
    writer      uuid        NOT NULL,
    sequence    bigint      NOT NULL,
    reason      text        NOT NULL,
    line        jsonb       NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (writer, sequence)
);

-- Events outside [now - retention, now + lead] are refused as time_out_of_range.
CREATE TABLE log_limits (
    only_row  boolean  PRIMARY KEY DEFAULT true CHECK (only_row),
    retention interval NOT NULL DEFAULT '400 days',
    lead      interval NOT NULL DEFAULT '2 days'
);
INSERT INTO log_limits DEFAULT VALUES;

-- Makes the day partition of `parent` where it is missing. LIKE, then ATTACH, waits for no reader.
-- Bounds are ids for the log, times for the facts.
CREATE FUNCTION ensure_day_partition(parent text, day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    child text := parent || to_char(day, '_YYYYMMDD');
    low   timestamptz := day::timestamp AT TIME ZONE 'UTC';
    high  timestamptz := (day + 1)::timestamp AT TIME ZONE 'UTC';
BEGIN
    IF to_regclass(child) IS NOT NULL THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('ensure_day_partition'), hashtext(parent));
    -- Not to_regclass again: it would answer from a cache that has not heard of what we waited for.
    IF EXISTS (SELECT FROM pg_class WHERE relname = child AND relnamespace = 'public'::regnamespace) THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
    IF parent = 'ml_tracking_events' THEN
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent, child, uuid_floor(low), uuid_floor(high));
    ELSE
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                       parent, child, low, high);
    END IF;
END $$;

-- The one door into the log. `batch` is an array of
--   {id, conversation_id, event_type, event_category, timestamp, data, client_id, source, writer, sequence}.
-- Stores what is new, rejects what is out of range, writes one ledger entry and moves the writers' counters, all in
-- the caller's transaction. Sending a batch again changes nothing: ids already known are skipped, and counters only
-- move for sequences above the writer's shipped_sequence.
-- Returns {"stored": n, "duplicate": n, "rejected": n}, counted over all lines of the batch.
CREATE FUNCTION append_events(batch jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest timestamptz;
    latest timestamptz;
    counts jsonb;
BEGIN
    SELECT now() - retention, now() + lead INTO oldest, latest FROM log_limits;

    PERFORM ensure_day_partition('ml_tracking_events', day)
    FROM (SELECT DISTINCT (l.timestamp AT TIME ZONE 'UTC')::date AS day
          FROM jsonb_to_recordset(batch) AS l(timestamp timestamptz)
          WHERE l.timestamp >= oldest AND l.timestamp < latest) AS days
    ORDER BY day;

    WITH line AS MATERIALIZED (
        SELECT l.*,
               row_number() OVER (PARTITION BY l.id ORDER BY l.sequence) AS occurrence,
               CASE
                   WHEN l.id IS NULL OR l.event_type IS NULL OR l.event_category IS NULL OR l.data IS NULL
                       THEN 'missing_field'
                   WHEN length(l.event_type) > 50 OR length(l.event_category) > 50 THEN 'name_too_long'
                   WHEN l.timestamp IS NULL OR l.timestamp < oldest OR l.timestamp >= latest
                       THEN 'time_out_of_range'
                   WHEN uuid_time(l.id) <> date_trunc('milliseconds', l.timestamp) THEN 'id_time_mismatch'
               END AS reason
        FROM jsonb_to_recordset(batch) AS l(
            id uuid, conversation_id uuid, event_type text, event_category text, timestamp timestamptz, data jsonb,
            client_id text, source text, writer uuid, sequence bigint)
    ), stored AS (
        INSERT INTO ml_tracking_events (id, conversation_id, event_type, event_category, timestamp, data, client_id,
                                        source, writer, sequence)
        SELECT id, conversation_id, event_type, event_category, timestamp, data, client_id,
               coalesce(source, 'agent'), writer, sequence
        FROM line
        WHERE reason IS NULL AND occurrence = 1
        ON CONFLICT (id) DO NOTHING
        RETURNING id
    ), entry AS (
        INSERT INTO log_ledger (ids)
        SELECT array_agg(id) FROM stored HAVING count(*) > 0
    ), rejected AS (
        INSERT INTO rejected_events (writer, sequence, reason, line)
        SELECT writer, sequence, reason,
               jsonb_build_object('id', id, 'conversation_id', conversation_id, 'event_type', event_type,
                                  'event_category', event_category, 'timestamp', timestamp, 'data', data)
        FROM line
        WHERE reason IS NOT NULL
        ON CONFLICT DO NOTHING
    ), fate AS (
        SELECT line.writer, line.sequence, line.reason IS NOT NULL AS is_rejected,
               line.reason IS NULL AND stored.id IS NOT NULL AS is_stored
        FROM line LEFT JOIN stored ON stored.id = line.id AND line.occurrence = 1
    ), tally AS (
        SELECT fate.writer,
               max(fate.sequence) AS shipped_sequence,
               count(*) FILTER (WHERE is_stored) AS stored,
               count(*) FILTER (WHERE is_rejected) AS rejected,
               count(*) FILTER (WHERE NOT is_stored AND NOT is_rejected) AS duplicate
        FROM fate LEFT JOIN capture_writers AS known ON known.writer = fate.writer
        WHERE fate.sequence > coalesce(known.shipped_sequence, 0)
        GROUP BY fate.writer
    ), counted AS (
        INSERT INTO capture_writers AS known (writer, accepted_sequence, shipped_sequence, stored, duplicate, rejected)
        SELECT writer, shipped_sequence, shipped_sequence, stored, duplicate, rejected FROM tally
        ON CONFLICT (writer) DO UPDATE
        SET accepted_sequence = greatest(known.accepted_sequence, excluded.accepted_sequence),
            shipped_sequence = greatest(known.shipped_sequence, excluded.shipped_sequence),
            stored = known.stored + excluded.stored,
            duplicate = known.duplicate + excluded.duplicate,
            rejected = known.rejected + excluded.rejected
    )
    SELECT jsonb_build_object(
               'stored', count(*) FILTER (WHERE is_stored),
               'duplicate', count(*) FILTER (WHERE NOT is_stored AND NOT is_rejected),
               'rejected', count(*) FILTER (WHERE is_rejected))
    INTO counts
    FROM fate;
    RETURN counts;
END $$;

-- Keeps one record that no batch can carry (its JSON or types are broken), under its writer and sequence.
CREATE FUNCTION reject_event(by_writer uuid, at_sequence bigint, because text, raw text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO rejected_events (writer, sequence, reason, line)
    VALUES (by_writer, at_sequence, because, to_jsonb(raw))
    ON CONFLICT DO NOTHING;
    INSERT INTO capture_writers AS known (writer, accepted_sequence, shipped_sequence, rejected)
    VALUES (by_writer, at_sequence, at_sequence, 1)
    ON CONFLICT (writer) DO UPDATE
    SET accepted_sequence = greatest(known.accepted_sequence, excluded.accepted_sequence),
        shipped_sequence = excluded.shipped_sequence,
        rejected = known.rejected + 1
    WHERE known.shipped_sequence < excluded.shipped_sequence;
END $$;

-- A writer says what it was offered, refused, has on disk, dropped and set aside; the door keeps the rest.
CREATE FUNCTION report_writer(by_writer uuid, offered_calls bigint, refused_calls jsonb, accepted bigint,
                              quarantined_records bigint, dropped_records bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO capture_writers AS known (writer, offered, refused, accepted_sequence, quarantined, dropped)
    VALUES (by_writer, offered_calls, refused_calls, accepted, quarantined_records, dropped_records)
    ON CONFLICT (writer) DO UPDATE
    SET offered = greatest(known.offered, excluded.offered),
        refused = excluded.refused,
        accepted_sequence = greatest(known.accepted_sequence, excluded.accepted_sequence),
        quarantined = greatest(known.quarantined, excluded.quarantined),
        dropped = greatest(known.dropped, excluded.dropped),
        reported_at = now();
$$;


-- ---------------------------------------------------------------------------------------------
-- Facts: projections of the log
-- ---------------------------------------------------------------------------------------------

CREATE TABLE conversations (
    conversation_id uuid        PRIMARY KEY,
    client_id       text,
    source          text        NOT NULL,
    customer_key    text,
    started_at      timestamptz NOT NULL,
    last_event_at   timestamptz NOT NULL,
    language        text,
    program         text,
    platform        text,
    age_band        text,
    told_by         jsonb       NOT NULL DEFAULT '{}'   -- which event told each attribute: the latest holds
);
CREATE INDEX conversations_started_at ON conversations (started_at);

CREATE TABLE turns (
    conversation_id uuid        NOT NULL,
    turn            integer     NOT NULL,
    at              timestamptz NOT NULL,
    role            text        NOT NULL,
    content         text        NOT NULL,
    event_id        uuid        NOT NULL,
    PRIMARY KEY (conversation_id, turn, at)
) PARTITION BY RANGE (at);
CREATE INDEX turns_at ON turns USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- One row per (conversation, turn, task, mode, version). Probabilities per label; labels are those above threshold.
CREATE TABLE predictions (
    conversation_id  uuid             NOT NULL,
    turn             integer          NOT NULL,
    task             text             NOT NULL,
    mode             text             NOT NULL,
    version          text             NOT NULL,
    at               timestamptz      NOT NULL,
    probabilities    jsonb            NOT NULL,
    labels           text[]           NOT NULL,
    is_served        boolean          NOT NULL,
    latency_ms       double precision,
    feature_revision integer,
    feature_digest   text,
    context          jsonb            NOT NULL DEFAULT '{}',
    event_id         uuid             NOT NULL,
    PRIMARY KEY (conversation_id, turn, task, mode, version, at)
) PARTITION BY RANGE (at);
CREATE INDEX predictions_at ON predictions USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE outcomes (
    event_id         uuid        PRIMARY KEY,
    conversation_id  uuid        NOT NULL,
    at               timestamptz NOT NULL,
    learnt_at        timestamptz NOT NULL,
    outcome          text        NOT NULL,
    is_sold          boolean     NOT NULL,
    value            numeric,
    currency         text,
    tier             text,
    satisfaction     double precision,
    duration_seconds double precision,
    source           text        NOT NULL
);
CREATE INDEX outcomes_conversation ON outcomes (conversation_id);
CREATE INDEX outcomes_at ON outcomes (at);

-- Truth per (conversation, turn, task); turn is null where the label holds for the whole conversation.
CREATE TABLE labels (
    event_id        uuid        PRIMARY KEY,
    conversation_id uuid        NOT NULL,
    turn            integer,
    task            text        NOT NULL,
    labels          text[]      NOT NULL,
    source          text        NOT NULL,
    source_rank     smallint    NOT NULL,   -- 1 human, 2 crm, 3 agent, 4 derived: the lowest wins
    at              timestamptz NOT NULL,
    learnt_at       timestamptz NOT NULL,
    value           numeric,
    currency        text,
    supersedes      uuid
);
CREATE INDEX labels_conversation ON labels (conversation_id, task, turn);
CREATE INDEX labels_at ON labels (at);

-- Which arm of an experiment a conversation got, by the earliest event that tells it. at: when the conversation began.
-- unit_id was drawn by: the conversation's own id, or a customer key. propensity: the chance of that arm under the policy
-- (policy_epoch, policy_n) that assigned it. reason: drawn, or switched_off where a kill switch left the control arm only.
CREATE TABLE assignments (
    conversation_id uuid             NOT NULL,
    experiment_id   uuid             NOT NULL,
    experiment      text             NOT NULL,
    arm             text             NOT NULL,
    unit            text             NOT NULL,
    unit_id         text             NOT NULL,
    propensity      double precision NOT NULL,
    reason          text             NOT NULL,
    at              timestamptz      NOT NULL,
    policy_epoch    integer          NOT NULL,
    policy_n        bigint           NOT NULL,
    event_id        uuid             NOT NULL,
    PRIMARY KEY (conversation_id, experiment_id)
);
CREATE INDEX assignments_at ON assignments (at);

-- Which hours of which facts changed, one row per consumer; a consumer deletes its rows in the transaction that
-- writes its result.
CREATE TABLE fact_consumers (consumer text PRIMARY KEY);
INSERT INTO fact_consumers VALUES ('quality'), ('rollups'), ('feedback');

CREATE TABLE changed_hours (
    change     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer   text        NOT NULL REFERENCES fact_consumers,
    table_name text        NOT NULL,
    hour       timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changed_hours_consumer ON changed_hours (consumer, hour);

-- The outcome that holds per conversation: the latest learnt.
CREATE VIEW current_outcomes AS
SELECT DISTINCT ON (conversation_id) *
FROM outcomes
ORDER BY conversation_id, learnt_at DESC, event_id DESC;

-- The label that holds per (conversation, turn, task): best source, then latest learnt. The sale itself is a label of
-- the task `conversion`, derived from the outcome at the rank of the agent that reported it.
CREATE VIEW current_labels AS
SELECT DISTINCT ON (conversation_id, task, turn) *
FROM (
    SELECT conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, event_id
    FROM labels
    UNION ALL
    SELECT conversation_id, NULL, 'conversion', CASE WHEN is_sold THEN ARRAY['sold'] ELSE ARRAY[]::text[] END,
           'agent', 3::smallint, at, learnt_at, value, currency, event_id
    FROM outcomes
) AS known
ORDER BY conversation_id, task, turn, source_rank, learnt_at DESC, event_id DESC;


-- ---------------------------------------------------------------------------------------------
-- Predictions against truth: the one place where they are joined
-- ---------------------------------------------------------------------------------------------

-- What is true of the turns of these conversations between two times. `tasks` is an array of
--   {name, scope, horizon, labels}.
-- Grain: one row per (conversation, turn, task, mode) whose truth is known; labels are those that hold, {} says none does.
--   scope conversation   one row per mode with turn null: the label of the conversation
--   scope turn, detect   the label of that very turn
--   scope turn, anticipate   the labels of the next `horizon` customer turns after it (0: of all that follow)
-- Only what somebody said is known: an anticipated truth needs a label, be it {}, on every customer turn it looks at, at
-- least one such turn, and either the whole horizon or a conversation that has ended (it has an outcome).
CREATE FUNCTION conversation_truths(ids uuid[], from_at timestamptz, to_at timestamptz, tasks jsonb)
RETURNS TABLE (conversation_id uuid, turn integer, task text, mode text, labels text[], label_source text,
               learnt_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH task AS (
        SELECT * FROM jsonb_to_recordset(tasks) AS d(name text, scope text, horizon integer)
    ), known AS MATERIALIZED (
        SELECT label.conversation_id, label.turn, label.task, label.labels, label.source, label.source_rank,
               label.learnt_at, task.scope
        FROM (SELECT DISTINCT id FROM unnest(ids) AS id) AS wanted
        CROSS JOIN LATERAL (SELECT * FROM current_labels WHERE current_labels.conversation_id = wanted.id) AS label
        JOIN task ON task.name = label.task AND (task.scope = 'conversation') = (label.turn IS NULL)
    ), spoken AS MATERIALIZED (
        -- ordinal: how many customer turns there were, this one counted.
        SELECT t.conversation_id, t.turn, t.role,
               count(*) FILTER (WHERE t.role = 'user') OVER so_far AS ordinal,
               count(*) FILTER (WHERE t.role = 'user') OVER (PARTITION BY t.conversation_id) AS customer_turns
        FROM turns AS t
        WHERE t.conversation_id = ANY (ids) AND t.at >= from_at AND t.at < to_at
        WINDOW so_far AS (PARTITION BY t.conversation_id ORDER BY t.turn)
    ), labelled AS (
        SELECT s.*, task.name AS task, task.horizon, known.labels, known.source, known.source_rank, known.learnt_at,
               min(s.ordinal) FILTER (WHERE s.role = 'user' AND known.labels IS NULL) OVER ahead AS next_unlabelled
        FROM (SELECT DISTINCT known.conversation_id, known.task FROM known WHERE known.scope = 'turn') AS carrier
        JOIN task ON task.name = carrier.task
        JOIN spoken AS s ON s.conversation_id = carrier.conversation_id
        LEFT JOIN known ON known.conversation_id = s.conversation_id AND known.turn = s.turn AND known.task = task.name
        WINDOW ahead AS (PARTITION BY s.conversation_id, task.name ORDER BY s.turn
                         ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
    ), future AS (
        SELECT l.conversation_id, l.turn, l.task, l.ordinal,
               CASE WHEN l.horizon > 0 THEN least(l.ordinal + l.horizon, l.customer_turns)
                    ELSE l.customer_turns END AS last_ordinal
        FROM labelled AS l
        WHERE l.ordinal < l.customer_turns
          AND (l.horizon > 0 AND l.ordinal + l.horizon <= l.customer_turns
               OR EXISTS (SELECT FROM outcomes WHERE outcomes.conversation_id = l.conversation_id))
          AND (l.next_unlabelled IS NULL
               OR l.horizon > 0 AND l.next_unlabelled > least(l.ordinal + l.horizon, l.customer_turns))
    )
    SELECT known.conversation_id, NULL::integer, known.task, mode, known.labels, known.source, known.learnt_at
    FROM known CROSS JOIN unnest(ARRAY['detect', 'anticipate']) AS mode
    WHERE known.scope = 'conversation'
    UNION ALL
    SELECT l.conversation_id, l.turn, l.task, 'detect', l.labels, l.source, l.learnt_at
    FROM labelled AS l
    WHERE l.labels IS NOT NULL
    UNION ALL
    -- The source of a joint truth is its weakest one.
    SELECT f.conversation_id, f.turn, f.task, 'anticipate',
           coalesce(array_agg(DISTINCT said.label) FILTER (WHERE said.label IS NOT NULL), '{}'),
           (array_agg(l.source ORDER BY l.source_rank DESC))[1], max(l.learnt_at)
    FROM future AS f
    JOIN labelled AS l ON l.conversation_id = f.conversation_id AND l.task = f.task AND l.role = 'user'
                      AND l.ordinal > f.ordinal AND l.ordinal <= f.last_ordinal
    LEFT JOIN LATERAL unnest(l.labels) AS said(label) ON true
    GROUP BY f.conversation_id, f.turn, f.task
$$;

-- The predictions of [from_at, to_at) whose truth is known; with `among`, those of these conversations.
-- Grain: one row per (conversation, turn, task, mode, version, label of the task). A label that an answer leaves out has
-- probability 0. Turns are looked up from a day before to seven days after the interval.
CREATE FUNCTION labelled_predictions(from_at timestamptz, to_at timestamptz, tasks jsonb, among uuid[] DEFAULT NULL)
RETURNS TABLE (conversation_id uuid, turn integer, task text, mode text, version text, at timestamptz, label text,
               probability double precision, is_predicted boolean, is_true boolean, label_source text,
               learnt_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH task AS (
        SELECT * FROM jsonb_to_recordset(tasks) AS d(name text, scope text, labels text[])
    ), answer AS MATERIALIZED (
        SELECT p.conversation_id, p.turn, p.task, p.mode, p.version, p.at, p.probabilities, p.labels,
               task.labels AS label_set, CASE WHEN task.scope = 'turn' THEN p.turn ELSE -1 END AS truth_turn
        FROM predictions AS p JOIN task ON task.name = p.task
        WHERE p.at >= from_at AND p.at < to_at AND (among IS NULL OR p.conversation_id = ANY (among))
    )
    SELECT a.conversation_id, a.turn, a.task, a.mode, a.version, a.at, label,
           coalesce((a.probabilities ->> label)::double precision, 0), label = ANY (a.labels),
           label = ANY (truth.labels), truth.label_source, truth.learnt_at
    FROM answer AS a
    JOIN conversation_truths((SELECT array_agg(DISTINCT answer.conversation_id) FROM answer),
                             from_at - interval '1 day', to_at + interval '7 days', tasks) AS truth
      ON truth.conversation_id = a.conversation_id AND truth.task = a.task AND truth.mode = a.mode
     AND coalesce(truth.turn, -1) = a.truth_turn
    CROSS JOIN unnest(a.label_set) AS label
$$;


-- ---------------------------------------------------------------------------------------------
-- Trust: which hours may be read
-- ---------------------------------------------------------------------------------------------

-- facts_version counts the projection's changes of the hour; a verdict holds for the version it judged.
CREATE TABLE quality_verdicts (
    hour          timestamptz PRIMARY KEY,
    facts_version bigint      NOT NULL DEFAULT 1,
    state         text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'trusted', 'held', 'released')),
    reason        text,
    judged_at     timestamptz
);

CREATE VIEW trusted_hours AS
SELECT hour FROM quality_verdicts WHERE state IN ('trusted', 'released');

CREATE TABLE quality_results (
    result         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    judged_at      timestamptz NOT NULL,
    window_start   timestamptz NOT NULL,
    window_end     timestamptz NOT NULL,
    table_name     text        NOT NULL,
    expectation    text        NOT NULL,
    severity       text        NOT NULL CHECK (severity IN ('critical', 'warning')),
    has_passed     boolean     NOT NULL,
    observed       jsonb       NOT NULL,
    failing_events uuid[]      NOT NULL DEFAULT '{}'   -- at most 100
);


-- ---------------------------------------------------------------------------------------------
-- Derived from facts: metrics, errors, drift, patterns
-- ---------------------------------------------------------------------------------------------

-- One metric of one hour. task, mode and version are '' where the metric has none; slice is '' for all rows together, else
-- one part of them as 'label=price'. value is a mean over n, so hours merge as sum(value * n) / sum(n); exact percentiles
-- do not merge, the histogram beside them does.
CREATE TABLE metric_rollups (
    hour      timestamptz      NOT NULL,
    metric    text             NOT NULL,
    task      text             NOT NULL DEFAULT '',
    mode      text             NOT NULL DEFAULT '',
    version   text             NOT NULL DEFAULT '',
    slice     text             NOT NULL DEFAULT '',
    value     double precision NOT NULL,
    n         bigint           NOT NULL,
    histogram jsonb,                          -- sparse, {"b": count} of values in [1.1^b, 1.1^(b + 1))
    PRIMARY KEY (hour, metric, task, mode, version, slice)
);

CREATE TABLE prediction_errors (
    conversation_id uuid             NOT NULL,
    turn            integer          NOT NULL,
    task            text             NOT NULL,
    mode            text             NOT NULL,
    version         text             NOT NULL,
    kind            text             NOT NULL,
    label           text             NOT NULL,
    at              timestamptz      NOT NULL,
    probability     double precision,
    loss            double precision NOT NULL,
    label_source    text             NOT NULL,
    PRIMARY KEY (at, conversation_id, turn, task, mode, version, kind, label)
);

-- Every drift check of a window; the findings are those that drifted.
CREATE TABLE drift_checks (
    window_start    timestamptz      NOT NULL,
    window_end      timestamptz      NOT NULL,
    reference_start timestamptz      NOT NULL,
    kind            text             NOT NULL CHECK (kind IN ('data', 'prediction', 'label', 'performance')),
    subject         text             NOT NULL,
    psi             double precision,
    test            text             NOT NULL,
    statistic       double precision,          -- null, like p_value: too few rows to test
    p_value         double precision,
    has_drifted     boolean          NOT NULL,
    severity        text             NOT NULL CHECK (severity IN ('none', 'warning', 'critical')),
    headline        text             NOT NULL,
    evidence        jsonb            NOT NULL,
    checked_at      timestamptz      NOT NULL,
    PRIMARY KEY (window_end, kind, subject)
);

CREATE VIEW drift_findings AS SELECT * FROM drift_checks WHERE has_drifted;

-- The specification's table of recognised patterns.
CREATE TABLE pattern_recognitions (
    id           uuid             PRIMARY KEY,
    pattern_type varchar(100)     NOT NULL,
    pattern_data jsonb            NOT NULL,
    confidence   double precision NOT NULL,
    occurrences  integer          NOT NULL,
    first_seen   timestamptz      NOT NULL,
    last_seen    timestamptz      NOT NULL,
    created_at   timestamptz      NOT NULL DEFAULT now()
);


-- ---------------------------------------------------------------------------------------------
-- Records: acts of people and clocks, never rebuilt, never edited
-- ---------------------------------------------------------------------------------------------

-- The specification's table of experiments. Those with the status `running` go into the policy. Of config it reads
--   arms         [{name, weight}], the first is the control
--   unit         conversation (default) or customer
--   traffic      the share of units that takes part, 1 by default
--   eligibility  {languages, programs, platforms}: lists; a conversation must be in each that is given
--   salt         what the draw is made of beside the unit; the id by default, so that experiments are independent
CREATE TABLE ml_experiments (
    id              uuid         PRIMARY KEY,
    name            varchar(255) NOT NULL,
    experiment_type varchar(50)  NOT NULL,
    status          varchar(50)  NOT NULL,
    config          jsonb        NOT NULL,
    metrics         jsonb        NOT NULL DEFAULT '{}',
    results         jsonb        NOT NULL DEFAULT '{}',
    created_at      timestamptz  NOT NULL DEFAULT now(),
    completed_at    timestamptz
);

CREATE TABLE decisions (
    decision   uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    decided_at timestamptz NOT NULL DEFAULT now(),
    kind       text        NOT NULL,
    task       text        NOT NULL,
    mode       text        NOT NULL,
    version    text        NOT NULL,
    verdict    text        NOT NULL,
    reason     text        NOT NULL,
    evidence   jsonb       NOT NULL,
    actor      text        NOT NULL
);

-- An exported model, by the SHA-256 of its content.
CREATE TABLE model_bundles (
    digest     text        PRIMARY KEY,
    task       text        NOT NULL,
    mode       text        NOT NULL,
    version    text        NOT NULL,
    content    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- One row per state a version was in; until is null while it holds. The truth of who is champion.
CREATE TABLE model_rollouts (
    rollout       bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task          text             NOT NULL,
    mode          text             NOT NULL,
    version       text             NOT NULL,
    state         text             NOT NULL
        CHECK (state IN ('candidate', 'shadow', 'canary', 'champion', 'retired', 'rejected', 'rolled_back')),
    traffic_share double precision NOT NULL DEFAULT 0 CHECK (traffic_share BETWEEN 0 AND 1),
    digest        text             REFERENCES model_bundles,
    decision      uuid             NOT NULL REFERENCES decisions,
    since         timestamptz      NOT NULL DEFAULT now(),
    until         timestamptz
);
CREATE UNIQUE INDEX model_rollouts_one_champion ON model_rollouts (task, mode)
WHERE state = 'champion' AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_state ON model_rollouts (task, mode, version) WHERE until IS NULL;

CREATE TABLE policy_snapshots (
    epoch        integer     NOT NULL,
    n            bigint      NOT NULL,
    document     jsonb       NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (epoch, n)
);

-- What agents obey now.
CREATE VIEW policy AS
SELECT epoch, n, document, published_at FROM policy_snapshots ORDER BY epoch DESC, n DESC LIMIT 1;

-- Kill switches, one act a row. is_on: what it names is off. subject: '' is all of it, else one task (challengers,
-- predictor) or one experiment by its name (experiments).
CREATE TABLE kill_switches (
    act     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text        NOT NULL CHECK (name IN ('experiments', 'challengers', 'predictor')),
    subject text        NOT NULL DEFAULT '' CHECK (length(subject) <= 255),
    is_on   boolean     NOT NULL,
    reason  text        NOT NULL CHECK (reason <> ''),
    actor   text        NOT NULL CHECK (actor <> ''),
    set_at  timestamptz NOT NULL DEFAULT now()
);

-- How each kill switch stands: as its last act left it.
CREATE VIEW current_kill_switches AS
SELECT DISTINCT ON (name, subject) name, subject, is_on, reason, actor, set_at
FROM kill_switches
ORDER BY name, subject, act DESC;

-- What is wrong with an experiment, null where nothing is. Compares as jsonb throughout, so that no config makes it fail.
CREATE FUNCTION experiment_fault(name text, config jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN name = '' THEN 'it has no name'
        WHEN jsonb_typeof(config) <> 'object' THEN 'its config is no object'
        WHEN coalesce(config -> 'unit', '"conversation"') NOT IN ('"conversation"', '"customer"')
            THEN 'unit is neither conversation nor customer'
        WHEN NOT coalesce(config -> 'traffic', '1') BETWEEN '0' AND '1' THEN 'traffic is no number from 0 to 1'
        WHEN coalesce(jsonb_typeof(config -> 'salt') <> 'string' OR length(config ->> 'salt') NOT BETWEEN 1 AND 200, false)
            THEN 'salt is no text of 1 to 200 characters'
        WHEN coalesce(jsonb_typeof(config -> 'arms'), '') <> 'array'
          OR jsonb_array_length(config -> 'arms') NOT BETWEEN 2 AND 20 THEN 'arms is no list of 2 to 20'
        WHEN EXISTS (SELECT FROM jsonb_array_elements(config -> 'arms') AS arm
                     WHERE jsonb_typeof(arm -> 'name') IS DISTINCT FROM 'string'
                        OR length(arm ->> 'name') NOT BETWEEN 1 AND 100)
            THEN 'an arm has no name of 1 to 100 characters'
        WHEN (SELECT count(DISTINCT arm ->> 'name') < count(*) FROM jsonb_array_elements(config -> 'arms') AS arm)
            THEN 'two arms have one name'
        WHEN EXISTS (SELECT FROM jsonb_array_elements(config -> 'arms') AS arm
                     WHERE (arm -> 'weight' = '0' OR arm -> 'weight' BETWEEN '0.000001' AND '1000000') IS NOT TRUE)
            THEN 'the weight of an arm is neither 0 nor a number from 0.000001 to 1000000'
        WHEN NOT EXISTS (SELECT FROM jsonb_array_elements(config -> 'arms') AS arm WHERE arm -> 'weight' > '0')
            THEN 'no arm has a weight above 0'
        WHEN coalesce(jsonb_typeof(config -> 'eligibility') <> 'object', false) THEN 'eligibility is no object'
        WHEN EXISTS (SELECT FROM jsonb_each(coalesce(config -> 'eligibility', '{}')) AS rule
                     WHERE rule.key NOT IN ('languages', 'programs', 'platforms')
                        OR jsonb_typeof(rule.value) <> 'array')
            THEN 'eligibility holds something else than lists named languages, programs, platforms'
        WHEN EXISTS (SELECT FROM jsonb_each(coalesce(config -> 'eligibility', '{}')) AS rule
                     CROSS JOIN jsonb_array_elements(rule.value) AS allowed
                     WHERE jsonb_typeof(allowed) <> 'string' OR length(allowed #>> '{}') NOT BETWEEN 1 AND 50)
            THEN 'eligibility lists something else than texts of 1 to 50 characters'
        -- One that swells the policy beyond what agents read would keep every other change from them.
        WHEN octet_length(jsonb_build_array(config -> 'arms', config -> 'eligibility', config -> 'traffic')::text) > 20000
            THEN 'arms, eligibility and traffic have more than 20,000 bytes'
    END
$$;

-- What agents are to obey: the models that run, the experiments, how the kill switches stand that are on, and the running
-- experiments that were left out as broken. What is switched off is composed away, so that agents need no rule for it: of
-- an experiment that is off, the control arm alone is left.
CREATE FUNCTION compose_policy() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    WITH off AS (
        SELECT name, subject, set_at FROM current_kill_switches WHERE is_on
    ), model AS (
        SELECT task, mode, version, state, traffic_share, digest
        FROM model_rollouts AS m
        WHERE until IS NULL AND state IN ('shadow', 'canary', 'champion') AND digest IS NOT NULL
          AND NOT EXISTS (
              SELECT
              FROM off
              WHERE off.subject IN ('', m.task)
                AND (off.name = 'predictor' OR off.name = 'challengers' AND m.state <> 'champion'))
    ), running AS (
        SELECT id, name, jsonb_strip_nulls(config) AS config,
               row_number() OVER (PARTITION BY name ORDER BY created_at, id) AS namesake,
               row_number() OVER (ORDER BY created_at, id) AS nth,
               EXISTS (SELECT FROM off WHERE off.name = 'experiments' AND off.subject IN ('', e.name)) AS is_off
        FROM ml_experiments AS e
        WHERE status = 'running'
    ), judged AS MATERIALIZED (
        SELECT *, CASE WHEN namesake > 1 THEN 'an older running experiment has its name'
                       WHEN nth > 100 THEN '100 older experiments run'
                       ELSE experiment_fault(name, config) END AS fault
        FROM running
    ), experiment AS (
        SELECT name, jsonb_build_object(
                   'id', id, 'name', name, 'unit', coalesce(config ->> 'unit', 'conversation'),
                   'salt', coalesce(config ->> 'salt', id::text), 'traffic', coalesce(config -> 'traffic', '1'),
                   'eligibility', coalesce(config -> 'eligibility', '{}'),
                   'arms', CASE WHEN is_off
                       THEN jsonb_build_array(jsonb_build_object('name', config #> '{arms,0,name}', 'weight', 1))
                       ELSE (SELECT jsonb_agg(jsonb_build_object('name', arm -> 'name', 'weight', arm -> 'weight')
                                              ORDER BY place)
                             FROM jsonb_array_elements(config -> 'arms') WITH ORDINALITY AS listed(arm, place)) END,
                   'reason', CASE WHEN is_off THEN 'switched_off' ELSE 'drawn' END) AS entry
        FROM judged
        WHERE fault IS NULL
    )
    SELECT jsonb_build_object(
        'models', (SELECT coalesce(jsonb_agg(to_jsonb(model) ORDER BY task, mode, version), '[]') FROM model),
        'experiments', (SELECT coalesce(jsonb_agg(entry ORDER BY name), '[]') FROM experiment),
        'switches', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', name, 'subject', subject, 'since', set_at)
                                               ORDER BY name, subject), '[]') FROM off),
        'left_out', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'fault', fault)
                                               ORDER BY name, id), '[]')
                     FROM (SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY nth LIMIT 100) AS broken))
$$;

-- Keeps the policy as the next snapshot of `this_epoch` and tells listening agents at the commit. The caller holds the lock.
CREATE FUNCTION publish_in_epoch(this_epoch integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    composed jsonb := compose_policy();
    next_n   bigint;
    broken   record;
BEGIN
    SELECT coalesce(max(n), 0) + 1 INTO next_n FROM policy_snapshots WHERE epoch = this_epoch;
    INSERT INTO policy_snapshots (epoch, n, document)
    VALUES (this_epoch, next_n, composed || jsonb_build_object('schema', 1, 'epoch', this_epoch, 'n', next_n));
    FOR broken IN SELECT * FROM jsonb_to_recordset(composed -> 'left_out') AS entry(name text, fault text) LOOP
        RAISE WARNING 'experiment "%" is left out of the policy: %', broken.name, broken.fault;
    END LOOP;
    PERFORM pg_notify('policy', this_epoch || '.' || next_n);
    RETURN next_n;
END $$;

-- Composes the policy in the caller's transaction; never written by hand. Returns its number within the epoch.
CREATE FUNCTION publish_policy() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('publish_policy'));
    RETURN publish_in_epoch((SELECT coalesce(max(epoch), 1) FROM policy_snapshots));
END $$;

-- After a restore: publishes in an epoch above all that agents may have seen, else they would refuse what is older to
-- them. The restored database cannot know the epochs given since, so the minute of the clock is the epoch. Returns it.
CREATE FUNCTION raise_epoch() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    next_epoch integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('publish_policy'));
    SELECT greatest(max(epoch) + 1, floor(extract(epoch FROM clock_timestamp()) / 60)::integer) INTO next_epoch
    FROM policy_snapshots;
    PERFORM publish_in_epoch(next_epoch);
    RETURN next_epoch;
END $$;

-- Records the act and puts it in force, in one transaction. Returns the number of the policy that says so.
CREATE FUNCTION set_kill_switch(name text, is_on boolean, reason text, actor text, subject text DEFAULT '')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('publish_policy'));
    INSERT INTO kill_switches (name, subject, is_on, reason, actor) VALUES (name, subject, is_on, reason, actor);
    RETURN publish_policy();
END $$;

-- A replayed source: how far its times were shifted so that its last event was now.
CREATE TABLE replayed_sources (
    source        text        PRIMARY KEY,
    is_simulated  boolean     NOT NULL,
    shift         interval    NOT NULL,
    first_at      timestamptz NOT NULL,   -- after the shift
    last_at       timestamptz NOT NULL,
    replayed_at   timestamptz NOT NULL DEFAULT now()
);


-- ---------------------------------------------------------------------------------------------
-- Reads of the online module's facade, and who may do what
-- ---------------------------------------------------------------------------------------------

CREATE VIEW facade_events AS
SELECT id, conversation_id, event_type, event_category, timestamp, data, client_id FROM ml_tracking_events;

CREATE VIEW facade_writers AS SELECT * FROM capture_writers;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

GRANT EXECUTE ON FUNCTION uuid_floor(timestamptz), uuid_time(uuid) TO ml_capture, ml_jobs, ml_dashboards;

GRANT EXECUTE ON FUNCTION append_events(jsonb), reject_event(uuid, bigint, text, text),
    report_writer(uuid, bigint, jsonb, bigint, bigint, bigint) TO ml_capture;
GRANT SELECT ON policy, model_bundles, facade_events, facade_writers TO ml_capture;

GRANT EXECUTE ON FUNCTION ensure_day_partition(text, date), publish_policy(), raise_epoch() TO ml_jobs;
GRANT EXECUTE ON FUNCTION set_kill_switch(text, boolean, text, text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION conversation_truths(uuid[], timestamptz, timestamptz, jsonb),
    labelled_predictions(timestamptz, timestamptz, jsonb, uuid[]) TO ml_jobs, ml_dashboards;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON log_ledger, conversations, turns, predictions, outcomes, labels, assignments,
    changed_hours, quality_verdicts, quality_results, metric_rollups, prediction_errors, drift_checks, pattern_recognitions,
    replayed_sources TO ml_jobs;
GRANT INSERT, UPDATE ON model_rollouts, ml_experiments TO ml_jobs;
GRANT INSERT ON decisions, model_bundles TO ml_jobs;
