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

-- Whether a UUIDv7 carries the millisecond of `at`. The door asks it of every line, so it compares bytes and is planned
-- into the statement; uuid_time, a call each, was a sixth of a batch.
CREATE FUNCTION uuid_carries(id uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
-- Half a microsecond: a double of seconds may lie that far below its millisecond.
RETURN substr(uuid_send(id), 1, 6) = substr(int8send(floor(date_part('epoch', at) * 1000 + 0.0005)::bigint), 3);


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
    ids        uuid[]      STORAGE EXTERNAL NOT NULL,   -- ids do not compress; trying cost 2 % of a batch
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Conservation per writer, moved in the batch's own transaction and never reduced:
--   offered = accepted + missing + the sum of refused
--   accepted (= accepted_sequence) = stored + duplicate + rejected + quarantined + dropped + spooled
--   shipped_sequence = stored + duplicate + rejected + quarantined + dropped: every record up to it has its fate.
-- missing: the writer said it had put them on disk, and a power cut took them before they were read.
-- reported_at: when the shipper last said anything of the writer. oldest_event: the earliest time of what it sent; once
-- that day is dropped, its rows are fewer than stored says.
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
    reported_at       timestamptz NOT NULL DEFAULT now(),
    missing           bigint      NOT NULL DEFAULT 0,
    oldest_event      timestamptz
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
CREATE INDEX rejected_events_at ON rejected_events (rejected_at);

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
-- the caller's transaction. A writer's lines come in the order of their sequences: one that is passed over was lost to
-- damage and counts as quarantined. Sending a batch again changes nothing: ids already known are skipped, and counters
-- only move for sequences above the writer's shipped_sequence.
-- Returns {"stored": n, "duplicate": n, "rejected": n}, counted over all lines of the batch, and {"writers": {writer:
-- its row of capture_writers}}.
CREATE FUNCTION append_events(batch jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest  timestamptz;
    latest  timestamptz;
    days    date[];
    writers uuid[];
    counts  jsonb;
BEGIN
    SELECT now() - retention, now() + lead INTO oldest, latest FROM log_limits;

    SELECT array_agg(DISTINCT (l.timestamp AT TIME ZONE 'UTC')::date)
               FILTER (WHERE l.timestamp >= oldest AND l.timestamp < latest),
           array_agg(DISTINCT l.writer)
    INTO days, writers
    FROM jsonb_to_recordset(batch) AS l(timestamp timestamptz, writer uuid);

    PERFORM ensure_day_partition('ml_tracking_events', day) FROM unnest(days) AS day;

    -- A batch of a shipper that was killed may still be committing: its writers' rows are waited for here, so that what
    -- follows sees its counters.
    INSERT INTO capture_writers (writer)
    SELECT writer FROM unnest(writers) AS writer
    ON CONFLICT (writer) DO UPDATE SET reported_at = now();

    WITH line AS MATERIALIZED (
        SELECT l.*,
               CASE
                   WHEN l.id IS NULL OR l.event_type IS NULL OR l.event_category IS NULL OR l.data IS NULL
                       THEN 'missing_field'
                   WHEN length(l.event_type) > 50 OR length(l.event_category) > 50 THEN 'name_too_long'
                   WHEN l.timestamp IS NULL OR l.timestamp < oldest OR l.timestamp >= latest
                       THEN 'time_out_of_range'
                   WHEN NOT uuid_carries(l.id, l.timestamp) THEN 'id_time_mismatch'
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
        WHERE reason IS NULL
        ON CONFLICT (id) DO NOTHING
        RETURNING id, writer, sequence
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
    ), tally AS (
        SELECT known.writer, max(line.sequence) AS through, count(*) AS lines, count(line.reason) AS rejected,
               min(line.timestamp) FILTER (WHERE line.reason IS NULL) AS oldest_event,
               (SELECT count(*) FROM stored
                WHERE stored.writer = known.writer AND stored.sequence > known.shipped_sequence) AS stored
        FROM line JOIN capture_writers AS known
          ON known.writer = line.writer AND line.sequence > known.shipped_sequence
        GROUP BY known.writer
    ), moved AS (
        UPDATE capture_writers AS known
        SET accepted_sequence = greatest(known.accepted_sequence, through),
            shipped_sequence = through,
            stored = known.stored + tally.stored,
            duplicate = known.duplicate + lines - tally.stored - tally.rejected,
            rejected = known.rejected + tally.rejected,
            quarantined = known.quarantined + through - known.shipped_sequence - lines,
            oldest_event = least(known.oldest_event, tally.oldest_event)
        FROM tally
        WHERE tally.writer = known.writer
    )
    SELECT jsonb_build_object('stored', new.lines, 'duplicate', sound.lines - new.lines, 'rejected', sound.rejected)
    INTO counts
    FROM (SELECT count(*) AS lines FROM stored) AS new,
         (SELECT count(*) - count(reason) AS lines, count(reason) AS rejected FROM line) AS sound;

    RETURN counts || jsonb_build_object('writers', (
        SELECT coalesce(jsonb_object_agg(writer, to_jsonb(known)), '{}')
        FROM capture_writers AS known WHERE writer = ANY (writers)));
END $$;

-- Keeps one record that no batch can carry (its JSON or types are broken), under its writer and sequence.
-- Returns the writer's row.
CREATE FUNCTION reject_event(by_writer uuid, at_sequence bigint, because text, raw text) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO rejected_events (writer, sequence, reason, line)
    VALUES (by_writer, at_sequence, because, to_jsonb(raw))
    ON CONFLICT DO NOTHING;

    INSERT INTO capture_writers AS known (writer, accepted_sequence, shipped_sequence, rejected, quarantined)
    VALUES (by_writer, at_sequence, at_sequence, 1, at_sequence - 1)
    ON CONFLICT (writer) DO UPDATE
    SET accepted_sequence = greatest(known.accepted_sequence, at_sequence),
        shipped_sequence = at_sequence,
        rejected = known.rejected + 1,
        quarantined = known.quarantined + at_sequence - known.shipped_sequence - 1,
        reported_at = now()
    WHERE known.shipped_sequence < at_sequence;

    SELECT to_jsonb(known) FROM capture_writers AS known WHERE writer = by_writer;
$$;

-- Says that the writer's records above its shipped_sequence, up to `through`, will never come: kind 'quarantined' (lost
-- to damage) or 'dropped' (given up for newer ones). Saying it again changes nothing. Returns the writer's row.
CREATE FUNCTION skip_records(by_writer uuid, through bigint, kind text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF kind NOT IN ('quarantined', 'dropped') THEN
        RAISE EXCEPTION 'records are skipped as quarantined or dropped, not as %', kind;
    END IF;
    INSERT INTO capture_writers (writer) VALUES (by_writer) ON CONFLICT DO NOTHING;
    UPDATE capture_writers
    SET accepted_sequence = greatest(accepted_sequence, through),
        shipped_sequence = through,
        quarantined = quarantined + CASE kind WHEN 'quarantined' THEN through - shipped_sequence ELSE 0 END,
        dropped = dropped + CASE kind WHEN 'dropped' THEN through - shipped_sequence ELSE 0 END,
        reported_at = now()
    WHERE writer = by_writer AND shipped_sequence < through;
    RETURN (SELECT to_jsonb(known) FROM capture_writers AS known WHERE writer = by_writer);
END $$;

-- A writer says what it was offered, refused, and put on disk (`claimed`); the door counts the rest. Once it is gone and
-- nothing of it is left on disk, what it claimed beyond its last record is missing. Returns the writer's row.
CREATE FUNCTION report_writer(by_writer uuid, offered_calls bigint, refused_calls jsonb, claimed bigint,
                              is_gone boolean) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO capture_writers (writer) VALUES (by_writer) ON CONFLICT DO NOTHING;

    -- What it offered is said a second late at most; it is at least what it put on disk and refused.
    UPDATE capture_writers
    SET offered = greatest(offered, offered_calls, greatest(accepted_sequence + missing, claimed) + (
            SELECT coalesce(sum(calls::bigint), 0)::bigint FROM jsonb_each_text(refused_calls) AS r(reason, calls))),
        refused = refused_calls,
        accepted_sequence = CASE WHEN is_gone THEN shipped_sequence ELSE greatest(accepted_sequence, claimed) END,
        missing = CASE WHEN is_gone THEN greatest(accepted_sequence + missing, claimed) - shipped_sequence ELSE 0 END,
        reported_at = now()
    WHERE writer = by_writer;

    SELECT to_jsonb(known) FROM capture_writers AS known WHERE writer = by_writer;
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
    propensity       double precision,  -- the chance this version had of answering the conversation; null: not told
    policy_epoch     integer,           -- null, like policy_n, where the event tells none
    policy_n         bigint,
    PRIMARY KEY (conversation_id, turn, task, mode, version, at)
) PARTITION BY RANGE (at);
CREATE INDEX predictions_at ON predictions USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- A currency as it is told, in capitals; '' where it is not three letters, null where nothing was told.
CREATE FUNCTION currency_code(told text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN upper(btrim(told)) ~ '^[A-Z]{3}$' THEN upper(btrim(told)) WHEN btrim(told) <> '' THEN '' END;

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
    source           text        NOT NULL,
    supersedes       uuid,
    superseded_at    timestamptz       -- when we learnt that it does not hold any more: see supersessions
);
CREATE INDEX outcomes_conversation ON outcomes (conversation_id);
CREATE INDEX outcomes_at ON outcomes (at);
CREATE INDEX outcomes_superseding ON outcomes (conversation_id) WHERE supersedes IS NOT NULL;
CREATE INDEX outcomes_currency ON outcomes (currency) WHERE currency IS NOT NULL;

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
    supersedes      uuid,
    superseded_at   timestamptz
);
CREATE INDEX labels_conversation ON labels (conversation_id, task, turn);
CREATE INDEX labels_at ON labels (at);
CREATE INDEX labels_superseding ON labels (conversation_id) WHERE supersedes IS NOT NULL;
CREATE INDEX labels_currency ON labels (currency) WHERE currency IS NOT NULL;

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

-- What the customer does in a turn, one row per (turn, act); the act `other` where a turn was read and holds none. source:
-- agent (an event of its own says so), model or rule. tagger: the version that read it; event_id: what it was read from, an
-- event of the agent or the turn's own, turn_event_id; at: the time of the turn.
CREATE TABLE acts (
    conversation_id uuid             NOT NULL,
    turn            integer          NOT NULL,
    act             text             NOT NULL,
    at              timestamptz      NOT NULL,
    source          text             NOT NULL CHECK (source IN ('agent', 'model', 'rule')),
    probability     double precision NOT NULL,
    tagger          text             NOT NULL,
    event_id        uuid             NOT NULL,
    turn_event_id   uuid             NOT NULL,
    PRIMARY KEY (conversation_id, turn, act, at)
) PARTITION BY RANGE (at);
CREATE INDEX acts_at ON acts USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- Events of the log that become no fact, though they should. reason: the field at fault and the type it holds, never a
-- value. A projection that can use one after all removes it.
CREATE TABLE unprojected_events (
    event_id        uuid        PRIMARY KEY,
    event_type      text        NOT NULL,
    conversation_id uuid,
    reason          text        NOT NULL,
    at              timestamptz NOT NULL,
    arrived_at      timestamptz NOT NULL
);
CREATE INDEX unprojected_events_arrived_at ON unprojected_events (arrived_at);

-- Which hours of which facts changed, one row per consumer; a consumer deletes its rows in the transaction that
-- writes its result.
CREATE TABLE fact_consumers (consumer text PRIMARY KEY);
INSERT INTO fact_consumers VALUES ('quality'), ('rollups'), ('feedback'), ('acts');

CREATE TABLE changed_hours (
    change     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer   text        NOT NULL REFERENCES fact_consumers,
    table_name text        NOT NULL,
    hour       timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changed_hours_consumer ON changed_hours (consumer, hour);

-- Everything anybody told about what is true: the labels, and the sale that each outcome tells, which is a label of the
-- task `conversion` from the agent that reported it. is_lost: it says that there will be no sale. That a call was
-- completed or abandoned does not say so: a sale may follow.
CREATE VIEW outcome_ledger AS
SELECT event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, supersedes,
       superseded_at, task = 'conversion' AND turn IS NULL AND labels = '{}' AS is_lost
FROM labels
UNION ALL
SELECT event_id, conversation_id, NULL, 'conversion', CASE WHEN is_sold THEN ARRAY['sold'] ELSE ARRAY[]::text[] END,
       'agent', 3::smallint, at, learnt_at, value, currency, supersedes, superseded_at,
       NOT is_sold AND (coalesce(value <= 0, false) OR outcome IN ('lost', 'declined', 'rejected', 'not_interested'))
FROM outcomes;

-- What is superseded, and since when: what another event names, for good, whichever of the two arrives first. That one must
-- be of the same conversation and task, hold like it for a turn or for the conversation, and come from no lower source.
CREATE VIEW supersessions AS
SELECT later.conversation_id, told.event_id, min(later.learnt_at) AS superseded_at
FROM outcome_ledger AS later
JOIN outcome_ledger AS told ON told.event_id = later.supersedes AND told.conversation_id = later.conversation_id
    AND told.task = later.task AND (told.turn IS NULL) = (later.turn IS NULL) AND told.source_rank >= later.source_rank
WHERE later.supersedes IS NOT NULL
GROUP BY later.conversation_id, told.event_id;

-- The label that held at `moment` per (conversation, turn, task). In force is what was learnt and not superseded by then;
-- of that the best source holds, then the latest learnt, then the latest event (an id begins with its event's time).
CREATE FUNCTION labels_as_of(moment timestamptz)
RETURNS TABLE (conversation_id uuid, turn integer, task text, labels text[], source text, source_rank smallint,
               at timestamptz, learnt_at timestamptz, value numeric, currency text, event_id uuid)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (conversation_id, task, turn)
           conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, event_id
    FROM outcome_ledger
    WHERE learnt_at <= moment AND (superseded_at > moment) IS NOT FALSE
    ORDER BY conversation_id, task, turn, source_rank, learnt_at DESC, event_id DESC
$$;

-- The outcome that held at `moment` per conversation: the latest learnt of those in force.
CREATE FUNCTION outcomes_as_of(moment timestamptz) RETURNS SETOF outcomes
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (conversation_id) *
    FROM outcomes
    WHERE learnt_at <= moment AND (superseded_at > moment) IS NOT FALSE
    ORDER BY conversation_id, learnt_at DESC, event_id DESC
$$;

-- What holds now is what all that is known comes to. Not as of now(): a transaction that began before something was learnt
-- would take its changed hours and not see it.
CREATE VIEW current_outcomes AS SELECT * FROM outcomes_as_of('infinity');
CREATE VIEW current_labels AS SELECT * FROM labels_as_of('infinity');

-- What a source said that does not hold, because a better one says something else of the same turn or conversation. Of each
-- source its latest word counts that nothing superseded; learnt_at: when the later of the two words was learnt. A call
-- that merely ended said nothing of its sale.
CREATE VIEW label_conflicts AS
SELECT conversation_id, turn, task, held_source, held_labels, held_event, source, labels, event_id,
       greatest(learnt_at, held_learnt_at) AS learnt_at
FROM (SELECT word.*, first_value(source_rank) OVER of_truth AS held_rank, first_value(source) OVER of_truth AS held_source,
             first_value(labels) OVER of_truth AS held_labels, first_value(event_id) OVER of_truth AS held_event,
             first_value(learnt_at) OVER of_truth AS held_learnt_at
      FROM (SELECT DISTINCT ON (conversation_id, task, turn, source_rank) *
            FROM outcome_ledger
            WHERE superseded_at IS NULL
            ORDER BY conversation_id, task, turn, source_rank, learnt_at DESC, event_id DESC) AS word
      WINDOW of_truth AS (PARTITION BY conversation_id, task, turn ORDER BY source_rank)) AS judged
WHERE source_rank > held_rank AND NOT (labels @> held_labels AND labels <@ held_labels)
  AND (is_lost OR labels <> '{}' OR task <> 'conversion' OR turn IS NOT NULL);

-- Outcomes and labels that wait for their conversation. A turn, a prediction or an event of the agent makes it, and then
-- they hold as if they had come after it.
CREATE VIEW unmatched_truths AS
SELECT told.*
FROM (SELECT event_id, conversation_id, 'outcome' AS kind, 'agent' AS source, outcome AS said, value, currency, at, learnt_at
      FROM outcomes
      UNION ALL
      SELECT event_id, conversation_id, 'label', source, task || ': ' || array_to_string(labels, ', '), value, currency, at,
             learnt_at
      FROM labels) AS told
WHERE NOT EXISTS (SELECT FROM conversations AS c WHERE c.conversation_id = told.conversation_id);

-- How a sale went, told moment by moment: what held from `since`. superseded_at is that of what held.
CREATE TYPE sale_course AS (
    is_sold boolean, superseded_at timestamptz, sold_learnt_at timestamptz, lost_learnt_at timestamptz,
    refunded_learnt_at timestamptz, label_source text
);

CREATE FUNCTION add_to_course(known sale_course, since timestamptz, is_sold boolean, is_lost boolean,
                              superseded_at timestamptz, label_source text)
RETURNS sale_course
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    -- A sale that no longer holds because what told it was wrong was none; else it was refunded.
    IF known.is_sold AND is_sold IS NOT TRUE AND known.superseded_at <= since THEN
        known := NULL;
    END IF;
    IF is_sold THEN
        known.sold_learnt_at := coalesce(known.sold_learnt_at, since);
        known.refunded_learnt_at := NULL;
    ELSIF known.sold_learnt_at IS NOT NULL THEN
        known.refunded_learnt_at := coalesce(known.refunded_learnt_at, since);
    ELSIF is_lost THEN
        known.lost_learnt_at := coalesce(known.lost_learnt_at, since);
    END IF;
    known.is_sold := is_sold;
    known.superseded_at := superseded_at;
    known.label_source := label_source;
    RETURN known;
END $$;

CREATE AGGREGATE course_of_sale(since timestamptz, is_sold boolean, is_lost boolean, superseded_at timestamptz,
                                label_source text) (
    SFUNC = add_to_course, STYPE = sale_course, PARALLEL = SAFE
);

-- What a sale is worth, told piece by piece. price: the last worth anybody named. net_value: what is left of it; value: the
-- most it was, in this currency. Both are 0 without a sale, and null while nobody has named a worth.
CREATE TYPE sale_worth AS (is_sold boolean, price numeric, value numeric, net_value numeric, currency text);

-- What the sale is worth once this was told too. A value above 0 is what it is worth from now on, whether more or less than
-- before; one below 0 is a refund of so much, which cannot be taken off a sale in another currency. A value without a
-- currency is in that of the sale. speaks: no better source spoke before; where one did, a value only stands in for one
-- that it did not name.
CREATE FUNCTION add_to_worth(known sale_worth, speaks boolean, is_sold boolean, told numeric, told_in text)
RETURNS sale_worth
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    is_elsewhere constant boolean := coalesce(told_in <> known.currency, false);
BEGIN
    IF told > 0 AND (speaks OR known.is_sold IS NOT TRUE OR known.net_value IS NULL) THEN
        known.price := told;
        known.currency := coalesce(told_in, known.currency);
    END IF;
    known.currency := coalesce(known.currency, told_in);
    IF speaks THEN
        known.net_value := CASE
            WHEN told < 0 AND known.net_value IS NOT NULL AND NOT is_elsewhere THEN greatest(known.net_value + told, 0)
            WHEN NOT is_sold THEN 0
            WHEN told >= 0 THEN told
            WHEN known.is_sold THEN known.net_value
            ELSE known.price END;
        known.is_sold := is_sold;
    ELSIF known.is_sold AND known.net_value IS NULL THEN
        known.net_value := known.price;
    END IF;
    known.value := CASE
        WHEN known.net_value IS NULL OR is_elsewhere AND known.currency = told_in THEN known.net_value
        ELSE greatest(known.value, known.net_value) END;
    RETURN known;
END $$;

CREATE AGGREGATE worth_of_sale(speaks boolean, is_sold boolean, told numeric, told_in text) (
    SFUNC = add_to_worth, STYPE = sale_worth, PARALLEL = SAFE
);

-- Every conversation that started in [from_at, to_at), and what was known of its sale at `moment` ('infinity': all that is).
--   is_sold             null while nothing is known
--   sold_learnt_at      when the sale was first known
--   refunded_learnt_at  when it was known that what had been sold no longer is; null while it is
--   lost_learnt_at      when it was known that there would be no sale, if before there was one
--   value, net_value, currency   see sale_worth; a currency of '' is not known
CREATE FUNCTION sales_as_of(moment timestamptz, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (conversation_id uuid, started_at timestamptz, source text, language text, program text, platform text,
               is_sold boolean, sold_learnt_at timestamptz, lost_learnt_at timestamptz, refunded_learnt_at timestamptz,
               value numeric, net_value numeric, currency text, label_source text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH started AS MATERIALIZED (
        SELECT * FROM conversations AS c WHERE c.started_at >= from_at AND c.started_at < to_at
    ), told AS MATERIALIZED (
        SELECT l.conversation_id, l.event_id, l.source, l.source_rank, l.learnt_at, l.value, l.currency, l.superseded_at,
               l.is_lost, 'sold' = ANY (l.labels) AS is_sold
        FROM started JOIN outcome_ledger AS l USING (conversation_id)
        WHERE l.task = 'conversion' AND l.turn IS NULL AND l.learnt_at <= moment
    ), standing AS (
        -- What held from each moment at which something was learnt, as labels_as_of has it.
        SELECT DISTINCT ON (point.conversation_id, point.since)
               point.conversation_id, point.since, told.is_sold, told.is_lost, told.superseded_at, told.source
        FROM (SELECT DISTINCT told.conversation_id, told.learnt_at AS since FROM told) AS point
        LEFT JOIN told ON told.conversation_id = point.conversation_id AND told.learnt_at <= point.since
                      AND (told.superseded_at > point.since) IS NOT FALSE
        ORDER BY point.conversation_id, point.since, told.source_rank, told.learnt_at DESC, told.event_id DESC
    ), course AS (
        SELECT standing.conversation_id,
               course_of_sale(since, standing.is_sold, is_lost, superseded_at, standing.source ORDER BY since) AS of_sale
        FROM standing
        GROUP BY standing.conversation_id
    ), worth AS (
        SELECT spoken.conversation_id,
               worth_of_sale(source_rank = best_rank, spoken.is_sold, spoken.value, spoken.currency
                             ORDER BY learnt_at, event_id) FILTER (WHERE is_in_force) AS of_sale,
               (array_agg(spoken.currency ORDER BY learnt_at DESC, event_id DESC)
                    FILTER (WHERE spoken.currency IS NOT NULL))[1] AS named_last
        FROM (SELECT told.*, (superseded_at > moment) IS NOT FALSE AS is_in_force,
                     min(source_rank) FILTER (WHERE (superseded_at > moment) IS NOT FALSE) OVER so_far AS best_rank
              FROM told
              WINDOW so_far AS (PARTITION BY told.conversation_id ORDER BY learnt_at, event_id)) AS spoken
        GROUP BY spoken.conversation_id
    )
    SELECT s.conversation_id, s.started_at, s.source, s.language, s.program, s.platform, (c.of_sale).is_sold,
           (c.of_sale).sold_learnt_at, (c.of_sale).lost_learnt_at, (c.of_sale).refunded_learnt_at,
           (w.of_sale).value, (w.of_sale).net_value, coalesce((w.of_sale).currency, w.named_last, ''),
           (c.of_sale).label_source
    FROM started AS s
    LEFT JOIN course AS c USING (conversation_id)
    LEFT JOIN worth AS w USING (conversation_id)
$$;


-- ---------------------------------------------------------------------------------------------
-- Predictions against truth: the one place where they are joined
-- ---------------------------------------------------------------------------------------------

-- What is true of the turns of these conversations between two times. `tasks` is an array of
--   {name, scope, horizon, labels}.
-- Grain: one row per (conversation, turn, task, mode) whose truth is known; labels are those that hold, {} says none does.
--   scope conversation   one row per mode with turn null: the label of the conversation
--   scope turn, detect   the label of that very turn, never a derived one: what read it may have read what is judged
--   scope turn, anticipate   the labels of the next `horizon` customer turns after it (0: of all that follow)
-- Only what somebody said is known: an anticipated truth needs a label, be it {}, on every customer turn it looks at, at
-- least one such turn, and either the whole horizon or a conversation that has ended (it has an outcome). as_of: as it was
-- known then, whatever was said or learnt since; by default all that is known.
CREATE FUNCTION conversation_truths(ids uuid[], from_at timestamptz, to_at timestamptz, tasks jsonb,
                                    as_of timestamptz DEFAULT 'infinity')
RETURNS TABLE (conversation_id uuid, turn integer, task text, mode text, labels text[], label_source text,
               learnt_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
-- The planner takes `ids` for ten conversations and would join by nested loops: 2.3 s of an hour of 300, not .05.
SET enable_nestloop = off AS $$
    WITH task AS (
        SELECT * FROM jsonb_to_recordset(tasks) AS d(name text, scope text, horizon integer)
    ), known AS MATERIALIZED (
        SELECT label.conversation_id, label.turn, label.task, label.labels, label.source, label.source_rank,
               label.learnt_at, task.scope
        FROM labels_as_of(as_of) AS label
        JOIN task ON task.name = label.task AND (task.scope = 'conversation') = (label.turn IS NULL)
        -- Not a join: only a condition on the column itself is moved down to the indices of labels and outcomes.
        WHERE label.conversation_id = ANY (ids)
    ), span AS MATERIALIZED (
        -- Of the days between the bounds, those are opened on which these conversations spoke.
        SELECT min(started_at) AS low, max(last_event_at) AS high FROM conversations AS c WHERE c.conversation_id = ANY (ids)
    ), spoken AS MATERIALIZED (
        -- ordinal: how many customer turns there were, this one counted.
        SELECT t.conversation_id, t.turn, t.role,
               count(*) FILTER (WHERE t.role = 'user') OVER so_far AS ordinal,
               count(*) FILTER (WHERE t.role = 'user') OVER (PARTITION BY t.conversation_id) AS customer_turns
        FROM turns AS t
        WHERE t.conversation_id = ANY (ids) AND t.at >= from_at AND t.at < to_at AND t.at <= as_of
          AND t.at >= (SELECT low FROM span) AND t.at <= (SELECT high FROM span)
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
               OR EXISTS (SELECT FROM outcomes AS o WHERE o.conversation_id = l.conversation_id AND o.learnt_at <= as_of))
          AND (l.next_unlabelled IS NULL
               OR l.horizon > 0 AND l.next_unlabelled > least(l.ordinal + l.horizon, l.customer_turns))
    )
    SELECT known.conversation_id, NULL::integer, known.task, mode, known.labels, known.source, known.learnt_at
    FROM known CROSS JOIN unnest(ARRAY['detect', 'anticipate']) AS mode
    WHERE known.scope = 'conversation'
    UNION ALL
    SELECT l.conversation_id, l.turn, l.task, 'detect', l.labels, l.source, l.learnt_at
    FROM labelled AS l
    WHERE l.labels IS NOT NULL AND l.source <> 'derived'
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
CREATE FUNCTION labelled_predictions(from_at timestamptz, to_at timestamptz, tasks jsonb, among uuid[] DEFAULT NULL,
                                     as_of timestamptz DEFAULT 'infinity')
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
                             from_at - interval '1 day', to_at + interval '7 days', tasks, as_of) AS truth
      ON truth.conversation_id = a.conversation_id AND truth.task = a.task AND truth.mode = a.mode
     AND coalesce(truth.turn, -1) = a.truth_turn
    CROSS JOIN unnest(a.label_set) AS label
$$;


-- ---------------------------------------------------------------------------------------------
-- Rebuild: projections made again beside the live ones
-- ---------------------------------------------------------------------------------------------

-- Until the end of the transaction the names of these tables, and of the views that read them, mean empty ones of its own;
-- the live ones are public.<name>. What projects and rolls up then works on the own ones, unchanged.
CREATE FUNCTION work_beside(tables text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    made text;
    of_views text[];
BEGIN
    WITH RECURSIVE reading AS (
        SELECT c.oid, 0 AS depth
        FROM pg_class AS c
        WHERE c.relname = ANY (tables) AND c.relnamespace = 'public'::regnamespace
        UNION
        SELECT r.ev_class, reading.depth + 1
        FROM reading
        JOIN pg_depend AS d ON d.refobjid = reading.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        WHERE r.ev_class <> reading.oid
    ), view AS (
        SELECT c.relname, c.oid, max(reading.depth) AS depth
        FROM reading JOIN pg_class AS c USING (oid)
        WHERE c.relkind = 'v'
        GROUP BY c.relname, c.oid
    )
    SELECT array_agg(format('CREATE TEMPORARY VIEW %I AS %s', relname, pg_get_viewdef(oid)) ORDER BY depth, oid)
    INTO of_views
    FROM view;
    FOREACH made IN ARRAY tables LOOP
        EXECUTE format('CREATE TEMPORARY TABLE %1$I (LIKE public.%1$I INCLUDING ALL) ON COMMIT DROP', made);
    END LOOP;
    PERFORM set_config('search_path', 'pg_temp, public', true);
    FOREACH made IN ARRAY coalesce(of_views, '{}') LOOP
        EXECUTE made;
    END LOOP;
    CREATE TEMPORARY TABLE differing (table_name text NOT NULL, row_key jsonb NOT NULL, live jsonb, rebuilt jsonb)
    ON COMMIT DROP;
END $$;

-- Lets every name mean what is live again. The own views are dropped, as they would outlive the transaction.
CREATE FUNCTION leave_beside() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    own text;
BEGIN
    FOR own IN SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'v' LOOP
        EXECUTE format('DROP VIEW IF EXISTS pg_temp.%I CASCADE', own);
    END LOOP;
    PERFORM set_config('search_path', 'public, pg_temp', true);
END $$;

-- Notes in `differing` the rows of a table that are not the same beside it, among those that meet the condition `scope`.
-- live is null where a row lacks, rebuilt where it should not be. Returns how many rows meet it beside.
CREATE FUNCTION compare_rebuilt(of_table text, scope text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    key_columns text;
    key_pairs   text;
    compared    bigint;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', '), string_agg(format('%L, %I', a.attname, a.attname), ', ')
    INTO key_columns, key_pairs
    FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = format('public.%I', of_table)::regclass AND i.indisprimary;
    EXECUTE format(
        'INSERT INTO differing (table_name, row_key, live, rebuilt)
         SELECT %1$L, jsonb_build_object(%2$s), to_jsonb(live), to_jsonb(rebuilt)
         FROM (SELECT * FROM public.%1$I WHERE %4$s) AS live
         FULL JOIN (SELECT * FROM pg_temp.%1$I WHERE %4$s) AS rebuilt USING (%3$s)
         WHERE live IS DISTINCT FROM rebuilt', of_table, key_pairs, key_columns, scope);
    EXECUTE format('SELECT count(*) FROM pg_temp.%I WHERE %s', of_table, scope) INTO compared;
    RETURN compared;
END $$;

-- Puts the rows noted in `differing` in the place of the live ones.
CREATE FUNCTION swap_rebuilt(of_table text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    same_key text;
BEGIN
    SELECT string_agg(format('row.%1$I = key.%1$I', a.attname), ' AND ')
    INTO same_key
    FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = format('public.%I', of_table)::regclass AND i.indisprimary;
    EXECUTE format(
        'DELETE FROM public.%1$I AS row
         USING (SELECT (jsonb_populate_record(NULL::public.%1$I, row_key)).* FROM differing WHERE table_name = %1$L) AS key
         WHERE %2$s', of_table, same_key);
    EXECUTE format(
        'INSERT INTO public.%1$I
         SELECT row.*
         FROM pg_temp.%1$I AS row
         JOIN (SELECT (jsonb_populate_record(NULL::public.%1$I, row_key)).*
               FROM differing WHERE table_name = %1$L AND rebuilt IS NOT NULL) AS key ON %2$s', of_table, same_key);
END $$;


-- ---------------------------------------------------------------------------------------------
-- Trust: which hours may be read
-- ---------------------------------------------------------------------------------------------

-- facts_version counts the projection's changes of the hour; a verdict holds for the version it judged. held_since: since
-- when it has not been trusted for a failure, changes and judgements in between or not.
CREATE TABLE quality_verdicts (
    hour          timestamptz PRIMARY KEY,
    facts_version bigint      NOT NULL DEFAULT 1,
    state         text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'trusted', 'held', 'released')),
    reason        text,
    judged_at     timestamptz,
    held_since    timestamptz
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

-- Lets held hours pass, all of them or none: the decision and what it changes are one transaction. facts_versions names,
-- hour by hour, the facts that were looked at; where they have changed since, nobody has decided anything about them.
-- Who reads trusted hours still has their changes on the list, and takes them next time.
-- Returns {status, decision_id, hours, refused}; status is released or refused, refused lists {hour, state} of those that
-- are not held with these facts.
CREATE FUNCTION release_hours(hours timestamptz[], facts_versions bigint[], because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made    uuid := gen_random_uuid();
    refused jsonb;
    looked  jsonb;
BEGIN
    IF coalesce(trim(because), '') = '' OR coalesce(trim(by_actor), '') = '' OR coalesce(cardinality(hours), 0) = 0 THEN
        RAISE EXCEPTION 'a release needs hours, a reason and who gives it';
    END IF;
    PERFORM FROM quality_verdicts WHERE hour = ANY (hours) ORDER BY hour FOR UPDATE;
    SELECT jsonb_agg(jsonb_build_object('hour', asked.hour, 'state', CASE v.state WHEN 'held' THEN 'changed'
                                                                     ELSE coalesce(v.state, 'unknown') END)
                     ORDER BY asked.hour)
               FILTER (WHERE (v.state = 'held' AND v.facts_version = asked.facts_version) IS NOT TRUE),
           jsonb_agg(jsonb_build_object('hour', asked.hour, 'facts_version', v.facts_version, 'held_since', v.held_since,
                                        'held_for', v.reason)
                     ORDER BY asked.hour)
    INTO refused, looked
    FROM unnest(hours, facts_versions) AS asked(hour, facts_version) LEFT JOIN quality_verdicts AS v USING (hour);
    IF refused IS NOT NULL THEN
        RETURN jsonb_build_object('status', 'refused', 'decision_id', NULL, 'hours', '[]'::jsonb, 'refused', refused);
    END IF;

    INSERT INTO decisions (decision, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, 'release', '', '', '', 'RELEASE', because, jsonb_build_object('hours', looked), by_actor);
    UPDATE quality_verdicts SET state = 'released', reason = because, held_since = NULL WHERE hour = ANY (hours);
    RETURN jsonb_build_object('status', 'released', 'decision_id', made, 'hours', to_jsonb(hours), 'refused', '[]'::jsonb);
END $$;


-- ---------------------------------------------------------------------------------------------
-- Derived from facts: metrics, errors, drift, patterns
-- ---------------------------------------------------------------------------------------------

-- One metric of one hour. task, mode and version are '' where the metric has none; slice is '' for all rows together, else
-- one part of them as 'label=price', of money 'currency=USD' or 'currency=USD,language=es'. value is a mean over n, so hours
-- merge as sum(value * n) / sum(n); exact percentiles do not merge, the histogram beside them does. Of money, n counts the
-- conversations of all currencies, and each slice has a row 'currency=' in every hour: an hour without a row of a currency
-- is one in which nothing was sold in it.
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
    mean_square double precision,             -- of the values, where they are not 0 and 1: what an interval needs
    PRIMARY KEY (hour, metric, task, mode, version, slice)
);

-- How many standard errors a 95 % interval reaches to either side with so many degrees of freedom: exact to four digits up
-- to 4, beyond by the expansion of Cornish and Fisher, at most 0.2 % low.
CREATE FUNCTION student_95(freedom bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN freedom <= 4 THEN (ARRAY[12.7062, 4.3027, 3.1824, 2.7764])[freedom::integer]
            ELSE 1.959964 + 2.37227 / freedom + 2.8225 / freedom ^ 2 + 2.5558 / freedom ^ 3 END;

-- The rollups of hours merged into days and weeks (from Monday), UTC. low and high bound the value with 95 %, null where
-- nothing says how it varies; hours: how many hours with rows were merged.
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
    hours        integer          NOT NULL,
    PRIMARY KEY (grain, period_start, metric, task, mode, version, slice)
);

-- How metrics went until as_of, the end of the last day whose hours may all be read: level over the day or the seven days
-- before it, and the change against the same span a week earlier, at this span's traffic of each weekday. Bounds are of
-- 95 %, null where too few days tell how days vary; is_significant holds after all comparisons of the family.
CREATE TABLE metric_trends (
    as_of          timestamptz      NOT NULL,
    grain          text             NOT NULL CHECK (grain IN ('day', 'week')),
    metric         text             NOT NULL,
    task           text             NOT NULL,
    mode           text             NOT NULL,
    version        text             NOT NULL,
    slice          text             NOT NULL,
    level          double precision NOT NULL,
    low            double precision,
    high           double precision,
    n              bigint           NOT NULL,
    change         double precision,          -- null, like compared_with: nothing to compare with
    change_low     double precision,
    change_high    double precision,
    p_value        double precision,
    compared_with  timestamptz,               -- when the earlier span starts
    is_significant boolean          NOT NULL,
    PRIMARY KEY (as_of, grain, metric, task, mode, version, slice)
);

-- Since when a metric is at another level. Recorded once, when it was found; facts that come later do not move it.
-- before: the mean of the four weeks before, on the weekdays of after; after: the mean from `at` until detected_at, the
-- end of the last day that was looked at.
CREATE TABLE change_points (
    metric      text             NOT NULL,
    task        text             NOT NULL,
    mode        text             NOT NULL,
    version     text             NOT NULL,
    slice       text             NOT NULL,
    at          timestamptz      NOT NULL,
    before      double precision NOT NULL,
    after       double precision NOT NULL,
    detected_at timestamptz      NOT NULL,
    evidence    jsonb            NOT NULL,
    PRIMARY KEY (metric, task, mode, version, slice, at)
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

-- How sales become known with age, of the conversations of a reference that are all mature. Kept at the ages `age_hours`:
-- cif, the share sold before that age; open_share, neither sold nor lost; known_share, F = cif / its last.
-- dispersion: how much more days vary than independent conversations would make them.
CREATE TABLE delay_curves (
    as_of           timestamptz        NOT NULL,
    slice           text               NOT NULL,
    reference_start timestamptz        NOT NULL,
    reference_end   timestamptz        NOT NULL,
    n               bigint             NOT NULL,
    sales           bigint             NOT NULL,
    age_hours       integer[]          NOT NULL,
    cif             double precision[] NOT NULL,
    open_share      double precision[] NOT NULL,
    known_share     double precision[] NOT NULL,
    dispersion      double precision   NOT NULL,
    PRIMARY KEY (as_of, slice)
);

-- Sold conversations of those that started in a window, as known at `as_of`, and what their share will have become once all
-- are mature, with its 95 % interval; where that cannot be said, corrected_rate is null and reason says why.
--   settled_share   expected share of conversations of which nothing more will be learnt
--   curve_slice     whose delay curve corrected it, '' for that of all; null: none, or none was needed
--   revenue         {currency: {gross, net, expected_net}}
--   is_provisional  some conversation is not mature, or some sale can still be refunded
CREATE TABLE matured_rates (
    as_of          timestamptz      NOT NULL,
    window_start   timestamptz      NOT NULL,
    window_end     timestamptz      NOT NULL,
    slice          text             NOT NULL,
    n_total        bigint           NOT NULL,
    n_mature       bigint           NOT NULL,
    sold           bigint           NOT NULL,
    naive_rate     double precision NOT NULL,
    corrected_rate double precision,
    low            double precision,
    high           double precision,
    settled_share  double precision,
    curve_slice    text,
    revenue        jsonb            NOT NULL,
    is_provisional boolean          NOT NULL,
    reason         text,
    PRIMARY KEY (as_of, window_start, window_end, slice),
    CHECK ((corrected_rate IS NULL) = (reason IS NOT NULL))
);

CREATE VIEW current_matured_rates AS
SELECT * FROM matured_rates WHERE as_of = (SELECT max(as_of) FROM matured_rates);

-- Every drift check of a window; the findings are those that drifted.
CREATE TABLE drift_checks (
    window_start    timestamptz      NOT NULL,
    window_end      timestamptz      NOT NULL,
    reference_start timestamptz      NOT NULL,
    kind            text             NOT NULL CHECK (kind IN ('data', 'prediction', 'label', 'performance', 'delay')),
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
CREATE INDEX decisions_gates ON decisions (task, mode, decided_at DESC) WHERE kind = 'gate';

-- An exported model, by the SHA-256 of its content; null once retention has deleted it.
CREATE TABLE model_bundles (
    digest     text        PRIMARY KEY,
    task       text        NOT NULL,
    mode       text        NOT NULL,
    version    text        NOT NULL,
    content    bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Taggers of acts, each a document by its SHA-256. The latest decision of kind act_tagger that says PROMOTE names the one
-- that reads; without any, the rules do.
CREATE TABLE act_taggers (
    version  text        PRIMARY KEY,
    digest   text        NOT NULL UNIQUE,
    document bytea       NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT now()
);

-- One row per state a version was in, each step of a canary a row of its own; until is null while it holds. The truth of
-- who is champion.
CREATE TABLE model_rollouts (
    rollout       bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task          text             NOT NULL,
    mode          text             NOT NULL,
    version       text             NOT NULL,
    state         text             NOT NULL
        CHECK (state IN ('candidate', 'shadow', 'canary', 'champion', 'holdback', 'retired', 'rejected', 'rolled_back')),
    traffic_share double precision NOT NULL DEFAULT 0 CHECK (traffic_share BETWEEN 0 AND 1),
    digest        text             REFERENCES model_bundles,
    decision      uuid             NOT NULL REFERENCES decisions,
    since         timestamptz      NOT NULL DEFAULT now(),
    until         timestamptz
);
CREATE UNIQUE INDEX model_rollouts_one_champion ON model_rollouts (task, mode)
WHERE state = 'champion' AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_challenger ON model_rollouts (task, mode)
WHERE state IN ('shadow', 'canary') AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_holdback ON model_rollouts (task, mode)
WHERE state = 'holdback' AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_candidate ON model_rollouts (task, mode)
WHERE state = 'candidate' AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_state ON model_rollouts (task, mode, version) WHERE until IS NULL;

-- What was is not rewritten, whoever asks: a decision is only ever added, a state is closed once and nothing else.
CREATE FUNCTION refuse_rewriting() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps what was: rows are added, a state is closed once, and nothing is changed or taken out',
        TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER decisions_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER model_rollouts_are_kept BEFORE DELETE OR TRUNCATE ON model_rollouts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER model_rollouts_are_closed_once BEFORE UPDATE ON model_rollouts
FOR EACH ROW
WHEN (OLD.until IS NOT NULL
      OR (OLD.rollout, OLD.task, OLD.mode, OLD.version, OLD.state, OLD.traffic_share, OLD.digest, OLD.decision, OLD.since)
         IS DISTINCT FROM
         (NEW.rollout, NEW.task, NEW.mode, NEW.version, NEW.state, NEW.traffic_share, NEW.digest, NEW.decision, NEW.since))
EXECUTE FUNCTION refuse_rewriting();

-- Of the aliases of a registered model in MLflow, which mirror who holds what: the version we last made one name, null for
-- none, and while is_setting the one we are making it name. Any other that it names, somebody else gave it.
CREATE TABLE registry_aliases (
    model       text        NOT NULL,
    alias       text        NOT NULL,
    number      integer,
    setting     integer,
    is_setting  boolean     NOT NULL DEFAULT false,
    mirrored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, alias)
);

CREATE TABLE policy_snapshots (
    epoch        integer     NOT NULL,
    n            bigint      NOT NULL,
    document     jsonb       NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (epoch, n)
);
CREATE TRIGGER policy_snapshots_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_snapshots
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();

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
        -- A challenger and, once it is champion, who is held back against it are drawn by one salt: its name.
        SELECT task, mode, version, state, traffic_share, digest,
               CASE WHEN state = 'holdback' THEN (
                        SELECT version FROM model_rollouts AS c
                        WHERE c.task = m.task AND c.mode = m.mode AND c.state = 'champion' AND c.until IS NULL)
                    ELSE version END AS salt
        FROM model_rollouts AS m
        WHERE until IS NULL AND state IN ('shadow', 'canary', 'champion', 'holdback') AND digest IS NOT NULL
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

-- Versions that a rollback took out of service: nobody may bring them back until lift_bar(). dataset: what the gate's
-- evidence says of the rows and the recipe, so that nobody trains the same again.
CREATE VIEW barred_versions AS
SELECT r.task, r.mode, r.version, r.since, d.reason, d.actor, d.decision,
       (SELECT judged.evidence -> 'dataset' FROM decisions AS judged
        WHERE judged.kind = 'gate' AND judged.version = r.version
        ORDER BY judged.decided_at LIMIT 1) AS dataset
FROM model_rollouts AS r JOIN decisions AS d USING (decision)
WHERE r.state = 'rolled_back' AND r.until IS NULL;

-- Undoes a change of who serves a task: decision, rollouts and policy in one transaction.
--   to_version null       the newest change: a challenger (shadow or canary) that runs is taken out; where none runs, the
--                         champion is, and who was champion before serves again, or nobody but the caller
--   who is champion       a challenger that runs is taken out
--   another, or 'caller'  the champion is taken out, and this version, which was champion before, or nobody serves; a
--                         challenger and a holdback end with it
-- What is taken out is barred, what ends with it retires. Asked again it changes nothing: a champion that a rollback put
-- there is not taken out without naming who follows, nor is one within ten minutes of its challenger, for two people, or ten
-- agents, that see one harm mean one rollback.
-- Returns {status, task, mode, from_version, to_version, decision_id, policy_n, reason}; status is rolled_back, unchanged
-- or refused, and only rolled_back has changed anything. to_version is who serves then.
CREATE FUNCTION rollback_task(of_task text, of_mode text, to_version text, because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    serving    record;
    challenger text;
    target     record;
    bar        record;
    is_over    boolean;   -- the challenger goes, the champion stays
    from_one   text;
    follows    text;
    faults     text[];
    made       uuid := gen_random_uuid();
    moment     timestamptz;
    left_ones  jsonb;
BEGIN
    -- The lock of a publication: none comes in between. The clock is read behind it, so that histories do not overlap.
    PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(of_task || '.' || of_mode));
    moment := clock_timestamp();
    SELECT r.version, r.since, d.kind INTO serving
    FROM model_rollouts AS r JOIN decisions AS d USING (decision)
    WHERE r.task = of_task AND r.mode = of_mode AND r.state = 'champion' AND r.until IS NULL;
    SELECT r.version INTO challenger
    FROM model_rollouts AS r
    WHERE r.task = of_task AND r.mode = of_mode AND r.state IN ('shadow', 'canary') AND r.until IS NULL
    ORDER BY r.state, r.rollout DESC
    LIMIT 1;
    SELECT * INTO bar FROM barred_versions AS b
    WHERE b.task = of_task AND b.mode = of_mode AND b.version = to_version;
    -- Whom the policy can name: with a bundle, and not barred.
    SELECT past.version, past.digest, d.evidence -> 'trained_until' AS trained_until INTO target
    FROM model_rollouts AS past JOIN decisions AS d USING (decision) JOIN model_bundles AS b USING (digest)
    WHERE past.task = of_task AND past.mode = of_mode AND past.state = 'champion' AND past.until IS NOT NULL
      AND b.content IS NOT NULL AND past.version IS DISTINCT FROM serving.version
      AND past.version = coalesce(to_version, past.version)
      AND NOT EXISTS (SELECT FROM barred_versions AS barred WHERE barred.version = past.version)
    ORDER BY past.until DESC, past.rollout DESC
    LIMIT 1;

    faults := CASE
        WHEN coalesce(trim(because), '') = '' OR coalesce(trim(by_actor), '') = '' THEN ARRAY['refused', 'say who and why']
        WHEN bar.version IS NOT NULL THEN
            ARRAY['refused', format('%s is barred since %s UTC (%s: %s); lift the bar first', bar.version,
                                    to_char(bar.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), bar.actor, bar.reason)]
        WHEN to_version NOT IN (coalesce(serving.version, 'caller'), 'caller') AND target.version IS NULL THEN
            ARRAY['refused', to_version || ' was never champion of this task, or its bundle is deleted; name one that was, or '
                             'caller']
        WHEN challenger IS NOT NULL THEN NULL
        WHEN coalesce(to_version, 'caller') = coalesce(serving.version, 'caller') THEN
            ARRAY['unchanged', CASE WHEN serving.version IS NULL THEN 'nobody but the caller serves'
                                    ELSE 'it serves already' END]
        WHEN to_version IS NULL AND serving.kind = 'rollback' THEN
            ARRAY['unchanged', serving.version || ' serves since a rollback; name a version, or caller, to go further back']
        WHEN to_version IS NULL THEN (
            SELECT ARRAY['unchanged', format('%s took %s out %s seconds ago, %s serves; name a version, or caller, to go '
                                             'further back', lately.actor, lately.version,
                                             floor(extract(epoch FROM moment - lately.decided_at)), serving.version)]
            FROM decisions AS lately
            WHERE lately.kind = 'rollback' AND lately.task = of_task AND lately.mode = of_mode
              AND lately.decided_at > greatest(moment - interval '10 minutes', serving.since)
            ORDER BY lately.decided_at DESC
            LIMIT 1)
    END;
    IF faults IS NOT NULL THEN
        RETURN jsonb_build_object(
            'status', faults[1], 'task', of_task, 'mode', of_mode, 'from_version', coalesce(serving.version, 'caller'),
            'to_version', coalesce(serving.version, 'caller'), 'decision_id', NULL, 'policy_n', NULL, 'reason', faults[2]);
    END IF;

    is_over := challenger IS NOT NULL
        AND coalesce(to_version, serving.version, 'caller') = coalesce(serving.version, 'caller');
    from_one := CASE WHEN is_over THEN challenger ELSE coalesce(serving.version, 'caller') END;
    follows := CASE WHEN is_over THEN coalesce(serving.version, 'caller') ELSE coalesce(target.version, 'caller') END;
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'version', r.version, 'state', r.state, 'traffic_share', r.traffic_share,
               'becomes', CASE WHEN is_over OR r.version = from_one THEN 'rolled_back' ELSE 'retired' END)
               ORDER BY r.rollout), '[]') INTO left_ones
    FROM model_rollouts AS r
    WHERE r.task = of_task AND r.mode = of_mode AND r.until IS NULL AND r.version <> follows
      AND (r.state IN ('shadow', 'canary') OR NOT is_over AND r.state IN ('champion', 'holdback'));

    -- trained_until goes along: who serves is judged by what it has learnt from.
    INSERT INTO decisions (decision, decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, moment, 'rollback', of_task, of_mode, from_one, 'ROLLBACK', because,
            jsonb_build_object('from', from_one, 'to', follows, 'left', left_ones, 'trained_until', target.trained_until),
            by_actor);
    UPDATE model_rollouts AS r SET until = moment
    WHERE r.task = of_task AND r.mode = of_mode AND r.until IS NULL
      AND (r.version = follows AND NOT is_over OR r.version IN (
               SELECT left_one ->> 'version' FROM jsonb_array_elements(left_ones) AS left_one));
    INSERT INTO model_rollouts (task, mode, version, state, digest, decision, since)
    SELECT of_task, of_mode, left_one.version, left_one.becomes,
           (SELECT digest FROM model_rollouts AS was WHERE was.version = left_one.version AND was.until = moment), made, moment
    FROM jsonb_to_recordset(left_ones) AS left_one(version text, becomes text);
    INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision, since)
    SELECT of_task, of_mode, target.version, 'champion', 1, target.digest, made, moment
    WHERE NOT is_over AND target.version IS NOT NULL;
    RETURN jsonb_build_object(
        'status', 'rolled_back', 'task', of_task, 'mode', of_mode, 'from_version', from_one, 'to_version', follows,
        'decision_id', made, 'policy_n', publish_policy(), 'reason', because);
END $$;

-- Lets a barred version be brought back again, by naming it or by training it anew; it is retired then, and serves nobody.
-- Returns {status, version, decision_id, reason}; status is lifted, unchanged (it is not barred) or refused.
CREATE FUNCTION lift_bar(of_version text, because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    bar    record;
    made   uuid := gen_random_uuid();
    moment timestamptz;
    fault  text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(split_part(of_version, '/', 1)));
    moment := clock_timestamp();
    SELECT r.* INTO bar
    FROM model_rollouts AS r
    WHERE r.version = of_version AND r.state = 'rolled_back' AND r.until IS NULL;
    fault := CASE
        WHEN coalesce(trim(because), '') = '' OR coalesce(trim(by_actor), '') = '' THEN 'say who and why'
        WHEN NOT EXISTS (SELECT FROM model_rollouts AS known WHERE known.version = of_version)
            THEN 'no version is called ' || coalesce(of_version, '')
        WHEN bar.version IS NULL THEN of_version || ' is not barred'
    END;
    IF fault IS NOT NULL THEN
        RETURN jsonb_build_object('status', CASE WHEN fault LIKE '% is not barred' THEN 'unchanged' ELSE 'refused' END,
                                  'version', of_version, 'decision_id', NULL, 'reason', fault);
    END IF;
    INSERT INTO decisions (decision, decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, moment, 'bar', bar.task, bar.mode, bar.version, 'LIFTED', because,
            jsonb_build_object('barred_by', bar.decision), by_actor);
    UPDATE model_rollouts AS r SET until = moment WHERE r.rollout = bar.rollout;
    INSERT INTO model_rollouts (task, mode, version, state, digest, decision, since)
    VALUES (bar.task, bar.mode, bar.version, 'retired', bar.digest, made, moment);
    RETURN jsonb_build_object('status', 'lifted', 'version', bar.version, 'decision_id', made, 'reason', because);
END $$;

-- Versions of which nothing but the record is needed any more: no state holds but an end without a bar, the task has
-- `keep_newest` later ones, nothing happened to them since `before`, and a rollback by itself would not bring them back.
CREATE FUNCTION due_versions(before timestamptz, keep_newest integer)
RETURNS TABLE (task text, mode text, version text, last_at timestamptz)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH judged AS (
        SELECT d.task, d.mode, d.version,
               row_number() OVER (PARTITION BY d.task, d.mode ORDER BY min(d.decided_at) DESC) AS nth
        FROM decisions AS d
        WHERE d.kind = 'gate' AND d.version <> ''
        GROUP BY d.task, d.mode, d.version
    ), serves_next AS (
        SELECT DISTINCT ON (r.task, r.mode) r.version
        FROM model_rollouts AS r
        WHERE r.state = 'champion' AND r.until IS NOT NULL
          AND NOT EXISTS (SELECT FROM model_rollouts AS held
                          WHERE held.version = r.version AND held.until IS NULL AND held.state IN ('champion', 'rolled_back'))
        ORDER BY r.task, r.mode, r.until DESC, r.rollout DESC
    )
    SELECT j.task, j.mode, j.version, happened.last_at
    FROM judged AS j
    CROSS JOIN LATERAL (SELECT max(d.decided_at) AS last_at FROM decisions AS d WHERE d.version = j.version) AS happened
    WHERE j.nth > keep_newest AND happened.last_at < before AND j.version NOT IN (SELECT s.version FROM serves_next AS s)
      AND NOT EXISTS (SELECT FROM model_rollouts AS r
                      WHERE r.version = j.version AND r.until IS NULL AND r.state NOT IN ('retired', 'rejected'))
      AND NOT EXISTS (SELECT FROM decisions AS d WHERE d.version = j.version AND d.kind = 'retention')
$$;

-- Deletes the bundles of due versions and records that; what was decided of them, and their digests, stay. Returns them.
CREATE FUNCTION delete_due_versions(before timestamptz, keep_newest integer, because text, by_actor text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    each    record;
    deleted text[] := '{}';
BEGIN
    FOR each IN SELECT DISTINCT due.task, due.mode FROM due_versions(before, keep_newest) AS due ORDER BY 1, 2 LOOP
        -- The lock of a publication: who is about to serve again is not due.
        PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(each.task || '.' || each.mode));
    END LOOP;
    FOR each IN SELECT * FROM due_versions(before, keep_newest) LOOP
        INSERT INTO decisions (decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
        SELECT clock_timestamp(), 'retention', each.task, each.mode, each.version, 'DELETED', because,
               jsonb_build_object('last_at', each.last_at, 'bytes', coalesce(sum(octet_length(b.content)), 0)), by_actor
        FROM model_bundles AS b WHERE b.version = each.version;
        UPDATE model_bundles AS b SET content = NULL WHERE b.version = each.version;
        deleted := deleted || each.version;
    END LOOP;
    RETURN deleted;
END $$;

-- Retraining somebody asked for. request: the event that asked, or an id of its own.
--   source           who asked: an agent, a trigger, or a person; actor names the job or the person
--   from_at, to_at   only conversations that started in this interval teach; null: no bound
--   is_dry_run       train and judge, publish nothing
--   accepted_at      since when it may start a run; what a trigger or a person asks may at once
--   attempts         how many runs took it; retraining: the last of them, which alone may close it
-- A run takes what is open when it freezes its rows, and what an earlier run took and did not finish; outcome is what the
-- run came to.
CREATE TABLE retraining_requests (
    request      uuid        PRIMARY KEY,
    task         text        NOT NULL,
    mode         text        NOT NULL,
    reason       text        NOT NULL,
    priority     text        NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
    state        text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'done')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    taken_at     timestamptz,
    done_at      timestamptz,
    outcome      text,
    source       text        NOT NULL DEFAULT 'agent' CHECK (source IN ('agent', 'trigger', 'person')),
    actor        text        NOT NULL DEFAULT 'agent',
    from_at      timestamptz,
    to_at        timestamptz,
    is_dry_run   boolean     NOT NULL DEFAULT false,
    accepted_at  timestamptz,
    attempts     integer     NOT NULL DEFAULT 0,
    retraining   uuid,
    CHECK (from_at < to_at)
);
CREATE INDEX retraining_requests_waiting ON retraining_requests (task, mode) WHERE state <> 'done';

-- What was said each time somebody looked whether a task needs retraining. findings: what each trigger said of it;
-- standing: what they were told; request: what was asked for, where anything was.
CREATE TABLE trigger_evaluations (
    evaluation   uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    evaluated_at timestamptz NOT NULL,
    task         text        NOT NULL,
    mode         text        NOT NULL,
    verdict      text        NOT NULL,
    reason       text        NOT NULL,
    findings     jsonb       NOT NULL,
    standing     jsonb       NOT NULL,
    request      uuid        REFERENCES retraining_requests
);
CREATE INDEX trigger_evaluations_of_task ON trigger_evaluations (task, mode, evaluated_at);

-- What a version waits for a person's word to become. Asked once per (task, mode, version, step) and answered once, by a
-- person or, after answer_by, by default_answer; only the functions below answer. shown_in: the Airflow run that shows it.
CREATE TABLE approvals (
    approval       uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind           text        NOT NULL CHECK (kind IN ('first', 'shadow', 'canary', 'champion')),
    task           text        NOT NULL,
    mode           text        NOT NULL,
    version        text        NOT NULL,
    step           text        NOT NULL,
    headline       text        NOT NULL,
    evidence       jsonb       NOT NULL,
    asked_at       timestamptz NOT NULL DEFAULT now(),
    answer_by      timestamptz NOT NULL,
    default_answer boolean     NOT NULL,
    answered_at    timestamptz,
    is_granted     boolean,
    actor          text,
    reason         text,
    shown_in       text,
    UNIQUE (task, mode, version, step),
    CHECK (num_nulls(answered_at, is_granted, actor, reason) IN (0, 4))
);
CREATE INDEX approvals_waiting ON approvals (answer_by) WHERE answered_at IS NULL;

-- Lets the default hold for what nobody answered in time. Returns of how many.
CREATE FUNCTION expire_approvals() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH ended AS (
        UPDATE approvals
        SET answered_at = now(), is_granted = default_answer, actor = 'time-out',
            reason = 'nobody answered by ' || to_char(answer_by AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
        WHERE answered_at IS NULL AND answer_by <= now()
        RETURNING approval
    )
    SELECT count(*) FROM ended
$$;

-- Records a person's word. The first one holds, and so does the default once the time is over. Returns {status, approval,
-- is_granted, actor, reason}; status is answered, unchanged or refused, and only answered has changed anything.
CREATE FUNCTION answer_approval(of_approval uuid, grants boolean, by_actor text, because text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known  approvals;
    fault  text;
    status text := 'unchanged';
BEGIN
    PERFORM expire_approvals();
    SELECT * INTO known FROM approvals WHERE approval = of_approval FOR UPDATE;
    fault := CASE WHEN known.approval IS NULL THEN 'there is no such approval'
                  WHEN grants IS NULL THEN 'say yes or no'
                  WHEN coalesce(trim(by_actor), '') = '' OR coalesce(trim(because), '') = '' THEN 'say who and why' END;
    IF fault IS NULL AND known.answered_at IS NULL THEN
        UPDATE approvals SET answered_at = now(), is_granted = grants, actor = by_actor, reason = because
        WHERE approval = of_approval
        RETURNING * INTO known;
        status := 'answered';
    END IF;
    RETURN jsonb_build_object('status', CASE WHEN fault IS NULL THEN status ELSE 'refused' END, 'approval', of_approval,
                              'is_granted', known.is_granted, 'actor', known.actor, 'reason', coalesce(fault, known.reason));
END $$;

-- What alert rules found, opened once per (rule, subject) until it is resolved. value, bound, n, headline and evidence are
-- those of the last time it fired; evidence names the hours or ids they come from. Holds nothing that a customer said.
-- resolution: why it is over. An alert may be acknowledged once: somebody knows and sees to it.
CREATE TABLE alerts (
    alert           uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    rule            text             NOT NULL,
    subject         text             NOT NULL,
    severity        text             NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    owner           text             NOT NULL,
    runbook         text             NOT NULL,
    headline        text             NOT NULL,
    value           double precision NOT NULL,
    bound           double precision NOT NULL,
    n               bigint           NOT NULL,
    evidence        jsonb            NOT NULL,
    opened_at       timestamptz      NOT NULL,
    last_seen_at    timestamptz      NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text,
    resolved_at     timestamptz,
    resolution      text
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (rule, subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_opened_at ON alerts (opened_at);

-- How each rule stands with each subject: firing hours in a row, quiet ones below 0; streak_before is the streak before
-- the hour judged last, so that judging that hour again counts it once.
CREATE TABLE alert_standings (
    rule          text        NOT NULL,
    subject       text        NOT NULL,
    judged_until  timestamptz NOT NULL,
    streak        integer     NOT NULL,
    streak_before integer     NOT NULL,
    PRIMARY KEY (rule, subject)
);

-- Notes who sees to an open alert, and why. Returns {status, alert, acknowledged_by, reason}: acknowledged; unchanged
-- where somebody did before, whose name and reason stay; refused, with the reason.
CREATE FUNCTION acknowledge_alert(of_alert uuid, by_actor text, because text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known  alerts;
    fault  text;
    status text := 'unchanged';
BEGIN
    SELECT * INTO known FROM alerts WHERE alert = of_alert FOR UPDATE;
    fault := CASE WHEN known.alert IS NULL THEN 'there is no such alert'
                  WHEN known.resolved_at IS NOT NULL THEN 'it is resolved'
                  WHEN coalesce(trim(by_actor), '') = '' OR coalesce(trim(because), '') = '' THEN 'say who and why' END;
    IF fault IS NULL AND known.acknowledged_at IS NULL THEN
        UPDATE alerts SET acknowledged_at = now(), acknowledged_by = by_actor, note = because
        WHERE alert = of_alert
        RETURNING * INTO known;
        status := 'acknowledged';
    END IF;
    RETURN jsonb_build_object('status', CASE WHEN fault IS NULL THEN status ELSE 'refused' END, 'alert', of_alert,
                              'acknowledged_by', known.acknowledged_by, 'reason', coalesce(fault, known.note));
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

-- Each writer's account as it stands now, both equations closed.
CREATE VIEW facade_writers AS
SELECT writer,
       accepted_sequence + missing + (
           SELECT coalesce(sum(calls::bigint), 0)::bigint FROM jsonb_each_text(refused) AS r(reason, calls)) AS offered,
       refused, accepted_sequence, shipped_sequence, stored, duplicate, rejected, quarantined, dropped, first_seen,
       reported_at, missing,
       accepted_sequence - stored - duplicate - rejected - quarantined - dropped AS spooled
FROM capture_writers;

CREATE VIEW facade_conversations AS SELECT conversation_id, started_at, last_event_at FROM conversations;

CREATE VIEW facade_predictions AS
SELECT conversation_id, turn, task, mode, version, at, probabilities, labels, is_served FROM predictions;

CREATE VIEW facade_assignments AS SELECT conversation_id, experiment, arm, at FROM assignments;

-- Whole figures, no parts of them; money alone is kept per currency.
CREATE VIEW facade_metrics AS
SELECT hour, metric, task, mode, version, CASE WHEN slice = '' THEN '' ELSE split_part(slice, '=', 2) END AS currency,
       value, n
FROM metric_rollups
WHERE slice = '' OR slice LIKE 'currency=%' AND slice NOT LIKE '%,%';

CREATE VIEW facade_errors AS SELECT task, mode, version, kind, label, at, loss FROM prediction_errors;

CREATE VIEW facade_drift AS
SELECT kind, subject, psi, test, p_value, has_drifted, severity, headline, window_start, window_end, checked_at
FROM drift_checks;

CREATE VIEW facade_patterns AS
SELECT id, pattern_type, pattern_data, confidence, occurrences, first_seen, last_seen FROM pattern_recognitions;

CREATE VIEW facade_experiments AS
SELECT id, name, experiment_type, status, config, metrics, results, created_at, completed_at FROM ml_experiments;

CREATE VIEW facade_rollouts AS
SELECT task, mode, version, state, traffic_share, since, until FROM model_rollouts;

-- About models; that an hour was released, or a tagger made current, is nothing to an agent.
CREATE VIEW facade_decisions AS
SELECT decision, decided_at, kind, task, mode, version, verdict, reason, actor
FROM decisions
WHERE kind IN ('gate', 'rollout', 'rollback');

CREATE VIEW facade_requests AS
SELECT request, task, mode, reason, priority, state, requested_at FROM retraining_requests;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;

GRANT EXECUTE ON FUNCTION uuid_floor(timestamptz), uuid_time(uuid) TO ml_capture, ml_jobs, ml_dashboards;

GRANT EXECUTE ON FUNCTION append_events(jsonb), reject_event(uuid, bigint, text, text),
    skip_records(uuid, bigint, text), report_writer(uuid, bigint, jsonb, bigint, boolean) TO ml_capture;
GRANT SELECT ON policy, model_bundles, facade_events, facade_writers TO ml_capture;
GRANT SELECT ON facade_assignments, facade_conversations, facade_decisions, facade_drift, facade_errors, facade_experiments,
    facade_metrics, facade_patterns, facade_predictions, facade_requests, facade_rollouts TO ml_capture;
GRANT EXECUTE ON FUNCTION rollback_task(text, text, text, text, text) TO ml_capture, ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION lift_bar(text, text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION due_versions(timestamptz, integer) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION delete_due_versions(timestamptz, integer, text, text) TO ml_jobs;

GRANT EXECUTE ON FUNCTION student_95(bigint) TO ml_jobs;
GRANT EXECUTE ON FUNCTION ensure_day_partition(text, date), publish_policy(), raise_epoch() TO ml_jobs;
GRANT EXECUTE ON FUNCTION work_beside(text[]), leave_beside(), compare_rebuilt(text, text), swap_rebuilt(text) TO ml_jobs;
GRANT EXECUTE ON FUNCTION set_kill_switch(text, boolean, text, text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION release_hours(timestamptz[], bigint[], text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION acknowledge_alert(uuid, text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION answer_approval(uuid, boolean, text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION expire_approvals() TO ml_jobs;
GRANT EXECUTE ON FUNCTION conversation_truths(uuid[], timestamptz, timestamptz, jsonb, timestamptz),
    labelled_predictions(timestamptz, timestamptz, jsonb, uuid[], timestamptz) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION labels_as_of(timestamptz), outcomes_as_of(timestamptz),
    sales_as_of(timestamptz, timestamptz, timestamptz), worth_of_sale(boolean, boolean, numeric, text),
    course_of_sale(timestamptz, boolean, boolean, timestamptz, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION currency_code(text) TO ml_jobs;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON log_ledger, conversations, turns, predictions, outcomes, labels, assignments, acts,
    unprojected_events, changed_hours, quality_verdicts, quality_results, metric_rollups, metric_periods, prediction_errors, drift_checks,
    pattern_recognitions, replayed_sources TO ml_jobs;
GRANT INSERT, UPDATE, DELETE ON alert_standings, delay_curves, matured_rates TO ml_jobs;
GRANT INSERT, UPDATE (last_seen_at, headline, value, bound, n, evidence, resolved_at, resolution) ON alerts TO ml_jobs;
GRANT INSERT, DELETE ON metric_trends TO ml_jobs;
GRANT INSERT ON change_points TO ml_jobs;
GRANT INSERT, UPDATE ON ml_experiments, retraining_requests TO ml_jobs;
GRANT INSERT, UPDATE ON registry_aliases TO ml_jobs;
GRANT INSERT ON trigger_evaluations TO ml_jobs;
GRANT INSERT, UPDATE (shown_in) ON approvals TO ml_jobs;
GRANT INSERT, UPDATE (until) ON model_rollouts TO ml_jobs;
GRANT INSERT ON decisions, model_bundles TO ml_jobs;
GRANT INSERT ON act_taggers TO ml_jobs;
GRANT EXECUTE ON FUNCTION append_events(jsonb) TO ml_jobs;
