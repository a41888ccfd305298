-- The projection of the log to facts. One batch is one transaction; `arrived` and `touched` live as long as it does.

-- name: lock()$
-- One projector at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('ingest_events'))::text;

-- name: newest_entry()$
SELECT max(entry) FROM log_ledger;

-- name: consume(newest, events)^
-- Takes the oldest ledger entries up to `newest`, about `events` ids of them; ids is null when there are none.
-- 500 entries at most are looked at: an entry of 1,000 ids weighs 16 KB.
WITH waiting AS (
    SELECT entry, sum(size) OVER (ORDER BY entry) - size AS events_before
    FROM (SELECT entry, cardinality(ids) AS size
          FROM log_ledger
          WHERE entry <= :newest
          ORDER BY entry
          LIMIT 500) AS oldest
), taken AS (
    DELETE FROM log_ledger
    WHERE entry IN (SELECT entry FROM waiting WHERE events_before < :events)
    RETURNING ids
)
SELECT array_agg(id)::text AS ids FROM taken CROSS JOIN unnest(taken.ids) AS id;

-- name: open_batch()!
-- reaches: the row changes more than its own hour, see touch_reached.
CREATE TEMPORARY TABLE touched (
    table_name text NOT NULL, conversation_id uuid, at timestamptz NOT NULL, reaches boolean NOT NULL DEFAULT false
) ON COMMIT DROP;

-- name: read_batch(ids, schema)!
-- The ids come as a parameter, so that the planner opens their partitions only.
--   fate      fact (becomes a row), kept (stays in the log only), unprojectable (a fact, but for its fault)
--   fault     the field that is wrong and what it holds: a type, never a value
--   learnt_at when we came to know it. A replay carries its source time, so there it is the event time itself; live it is
--             the time of arrival.
CREATE TEMPORARY TABLE arrived ON COMMIT DROP AS
SELECT id, conversation_id, event_type, at, source, client_id, data, arrived_at,
       CASE WHEN source = 'agent' THEN arrived_at ELSE at END AS learnt_at,
       CASE WHEN field IS NOT NULL THEN 'unprojectable'
            WHEN event_type NOT IN ('turn', 'prediction', 'outcome', 'label', 'assignment') OR has_failed THEN 'kept'
            ELSE 'fact' END AS fate,
       CASE WHEN field IS NULL THEN NULL
            WHEN field = 'event_type' THEN 'event_type: unknown'
            WHEN field = 'schema' THEN 'schema: newer than ' || :schema
            WHEN coalesce(jsonb_typeof(data -> field), 'null') = 'null' THEN field || ': missing'
            WHEN jsonb_typeof(data -> field) = CASE
                WHEN field IN ('turn', 'conversion_value', 'propensity') THEN 'number'
                WHEN field IN ('probabilities', 'policy') THEN 'object'
                WHEN field = 'labels' THEN 'array'
                ELSE 'string' END THEN field || ': unusable ' || jsonb_typeof(data -> field)
            ELSE field || ': ' || jsonb_typeof(data -> field) END AS fault
FROM (SELECT *, CASE
          WHEN event_type NOT IN ('turn', 'prediction', 'outcome', 'label', 'assignment', 'retraining_request') THEN
              CASE WHEN event_category <> 'agent' AND event_type NOT IN ('answer', 'error') THEN 'event_type' END
          WHEN has_failed THEN NULL
          WHEN data -> 'schema' > to_jsonb(:schema::integer) THEN 'schema'
          WHEN conversation_id IS NULL AND event_type <> 'retraining_request' THEN 'conversation_id'
          WHEN event_type = 'turn' THEN CASE
              WHEN pg_input_is_valid(data ->> 'turn', 'integer') IS NOT TRUE THEN 'turn'
              WHEN jsonb_typeof(data -> 'role') IS DISTINCT FROM 'string' THEN 'role'
              WHEN jsonb_typeof(data -> 'content') IS DISTINCT FROM 'string' THEN 'content' END
          WHEN event_type = 'prediction' THEN CASE
              WHEN pg_input_is_valid(data ->> 'turn', 'integer') IS NOT TRUE THEN 'turn'
              WHEN jsonb_typeof(data -> 'task') IS DISTINCT FROM 'string' THEN 'task'
              WHEN (data ->> 'mode' IN ('detect', 'anticipate')) IS NOT TRUE THEN 'mode'
              WHEN jsonb_typeof(data -> 'version') IS DISTINCT FROM 'string' THEN 'version'
              WHEN jsonb_typeof(data -> 'probabilities') IS DISTINCT FROM 'object' THEN 'probabilities'
              -- Smaller and larger ones are no double precision.
              WHEN jsonb_path_exists(data, 'strict $.probabilities.* ? (@.type() != "number" || @.abs() > 1e308
                                            || @.abs() < 1e-307 && @ != 0)', '{}', true) THEN 'probabilities'
              WHEN jsonb_typeof(data -> 'labels') IS DISTINCT FROM 'array' THEN 'labels'
              WHEN jsonb_path_exists(data, 'strict $.labels[*] ? (@.type() != "string")', '{}', true) THEN 'labels' END
          WHEN event_type = 'outcome' THEN CASE
              WHEN jsonb_typeof(data -> 'outcome') IS DISTINCT FROM 'string' THEN 'outcome'
              WHEN CASE jsonb_typeof(data -> 'conversion_value')
                  WHEN 'number' THEN abs((data ->> 'conversion_value')::numeric) >= 1e15
                  ELSE coalesce(jsonb_typeof(data -> 'conversion_value'), 'null') <> 'null' END
                  THEN 'conversion_value' END
          WHEN event_type = 'label' THEN CASE
              WHEN jsonb_typeof(data -> 'task') IS DISTINCT FROM 'string' THEN 'task'
              WHEN (data ->> 'source' IN ('human', 'crm', 'agent', 'derived')) IS NOT TRUE THEN 'source'
              WHEN jsonb_typeof(data -> 'labels') IS DISTINCT FROM 'array' THEN 'labels'
              WHEN jsonb_path_exists(data, 'strict $.labels[*] ? (@.type() != "string")', '{}', true) THEN 'labels'
              WHEN NOT pg_input_is_valid(data ->> 'turn', 'integer') THEN 'turn' END
          WHEN event_type = 'assignment' THEN CASE
              WHEN jsonb_typeof(data -> 'experiment') IS DISTINCT FROM 'string' THEN 'experiment'
              WHEN pg_input_is_valid(data ->> 'experiment_id', 'uuid') IS NOT TRUE THEN 'experiment_id'
              WHEN jsonb_typeof(data -> 'arm') IS DISTINCT FROM 'string' THEN 'arm'
              WHEN (data ->> 'unit' IN ('conversation', 'customer')) IS NOT TRUE THEN 'unit'
              WHEN jsonb_typeof(data -> 'unit_id') IS DISTINCT FROM 'string' THEN 'unit_id'
              WHEN jsonb_typeof(data -> 'propensity') IS DISTINCT FROM 'number'
                OR NOT pg_input_is_valid(data ->> 'propensity', 'double precision') THEN 'propensity'
              WHEN jsonb_typeof(data -> 'reason') IS DISTINCT FROM 'string' THEN 'reason'
              WHEN (pg_input_is_valid(data #>> '{policy,epoch}', 'integer')
                    AND pg_input_is_valid(data #>> '{policy,n}', 'bigint')) IS NOT TRUE THEN 'policy' END
          WHEN event_type = 'retraining_request' THEN CASE
              WHEN jsonb_typeof(data -> 'task') IS DISTINCT FROM 'string' THEN 'task'
              WHEN (data ->> 'mode' IN ('detect', 'anticipate')) IS NOT TRUE THEN 'mode' END
          END AS field
      FROM (SELECT id, conversation_id, event_type, event_category, timestamp AS at, source, client_id, data,
                   created_at AS arrived_at,
                   event_type = 'prediction'
                       AND (coalesce(data ->> 'is_fallback' = 'true', false) OR data ->> 'error' IS NOT NULL) AS has_failed
            FROM ml_tracking_events
            WHERE id = ANY (:ids::uuid[])) AS told
      OFFSET 0) AS checked;   -- else the planner writes the checks out wherever field stands

-- name: describe_batch()^
-- The reach of the batch (a day around it), and what is in it.
SELECT min(at) - interval '1 day' AS low, max(at) + interval '1 day' AS high, count(*) AS events,
       count(*) FILTER (WHERE fate = 'unprojectable') AS unprojectable
FROM arrived;

-- name: count_faults()
SELECT fault, count(*) AS events FROM arrived WHERE fault IS NOT NULL GROUP BY fault ORDER BY fault;

-- name: record_unprojected()!
-- An event that a mended projection can use after all is no longer one.
WITH mended AS (
    DELETE FROM unprojected_events AS known
    USING arrived
    WHERE known.event_id = arrived.id AND arrived.fault IS NULL
)
INSERT INTO unprojected_events (event_id, event_type, conversation_id, reason, at, arrived_at)
SELECT id, event_type, conversation_id, fault, at, arrived_at
FROM arrived
WHERE fault IS NOT NULL
ON CONFLICT (event_id) DO UPDATE SET reason = excluded.reason;

-- name: ensure_partitions()!
SELECT ensure_day_partition(table_name, day)
FROM (SELECT DISTINCT event_type || 's' AS table_name, (at AT TIME ZONE 'UTC')::date AS day
      FROM arrived
      WHERE fate = 'fact' AND event_type IN ('turn', 'prediction')) AS days
ORDER BY table_name, day;

-- name: project_conversations()!
-- Turns, predictions and events of the agent itself make a conversation; outcomes, labels and errors do not, so that
-- one without a conversation shows. Each attribute is as the latest event told it, in whatever order events arrive.
WITH told AS (
    SELECT conversation_id, id AS event_id, at, source, client_id, fate,
           CASE jsonb_typeof(data -> 'conversation')
               WHEN 'object' THEN data -> 'conversation'
               ELSE '{}' END AS attributes
    FROM arrived
    WHERE conversation_id IS NOT NULL AND event_type NOT IN ('outcome', 'label', 'error')
), span AS (
    SELECT conversation_id, min(at) AS started_at, max(at) AS last_event_at,
           max(at) FILTER (WHERE fate = 'fact') AS last_fact_at,
           (array_agg(source ORDER BY event_id))[1] AS source,
           (array_agg(client_id ORDER BY event_id) FILTER (WHERE client_id IS NOT NULL))[1] AS client_id
    FROM told
    GROUP BY conversation_id
), attribute AS (
    SELECT DISTINCT ON (conversation_id, name) conversation_id, name, value, event_id
    FROM (SELECT conversation_id, name, value, event_id
          FROM told CROSS JOIN jsonb_each_text(attributes) AS said(name, value)
          WHERE name IN ('language', 'program', 'platform', 'age_band', 'customer_key') AND value IS NOT NULL
          UNION ALL
          SELECT known.conversation_id, name, to_jsonb(known) ->> name, event_id::uuid
          FROM span JOIN conversations AS known USING (conversation_id)
          CROSS JOIN jsonb_each_text(known.told_by) AS earlier(name, event_id)) AS everything
    ORDER BY conversation_id, name, event_id DESC
), attributes AS (
    SELECT conversation_id, jsonb_object_agg(name, value) AS held, jsonb_object_agg(name, event_id) AS told_by
    FROM attribute
    GROUP BY conversation_id
), fresh AS (
    SELECT span.conversation_id, coalesce(known.client_id, span.client_id) AS client_id,
           CASE WHEN known.started_at <= span.started_at THEN known.source ELSE span.source END AS source,
           least(known.started_at, span.started_at) AS started_at,
           greatest(known.last_event_at, span.last_event_at) AS last_event_at,
           coalesce(attributes.held, '{}') AS held, coalesce(attributes.told_by, '{}') AS told_by,
           known.started_at AS was_started_at, span.last_fact_at
    FROM span
    LEFT JOIN attributes USING (conversation_id)
    LEFT JOIN conversations AS known USING (conversation_id)
), made AS (
    INSERT INTO conversations AS known (conversation_id, client_id, source, customer_key, started_at, last_event_at,
                                        language, program, platform, age_band, told_by)
    SELECT conversation_id, client_id, source, held ->> 'customer_key', started_at, last_event_at,
           held ->> 'language', held ->> 'program', held ->> 'platform', held ->> 'age_band', told_by
    FROM fresh
    ORDER BY conversation_id
    ON CONFLICT (conversation_id) DO UPDATE
    SET client_id = excluded.client_id, source = excluded.source, customer_key = excluded.customer_key,
        started_at = excluded.started_at, last_event_at = excluded.last_event_at, language = excluded.language,
        program = excluded.program, platform = excluded.platform, age_band = excluded.age_band,
        told_by = excluded.told_by
    WHERE known IS DISTINCT FROM excluded
), changed AS (
    SELECT fresh.conversation_id, fresh.started_at, fresh.was_started_at,
           known.started_at IS DISTINCT FROM fresh.started_at
               OR (known.language, known.program, known.platform, known.age_band, known.customer_key) IS DISTINCT FROM
                  (held ->> 'language', held ->> 'program', held ->> 'platform', held ->> 'age_band',
                   held ->> 'customer_key') AS is_described,
           date_trunc('hour', fresh.last_fact_at, 'UTC') > date_trunc('hour', fresh.started_at, 'UTC') AS goes_on
    FROM fresh LEFT JOIN conversations AS known USING (conversation_id)
)
-- An hour changes when a conversation starts in it, leaves it, is described otherwise or goes on in another hour: how it
-- went is told of the hour it started in.
INSERT INTO touched
SELECT 'conversations', conversation_id, at, is_described AND was_started_at IS NOT NULL
FROM changed CROSS JOIN LATERAL (VALUES (started_at), (was_started_at)) AS times(at)
WHERE at IS NOT NULL AND (is_described OR goes_on);

-- name: project_turns(low, high)!
-- Of several events that tell a turn the earliest holds. One that is told again more than a day later is another.
WITH said AS MATERIALIZED (
    SELECT *
    FROM (SELECT *, lag(at) OVER (PARTITION BY conversation_id, turn ORDER BY event_id) AS told_before
          FROM (SELECT conversation_id, (data ->> 'turn')::integer AS turn, at, data ->> 'role' AS role,
                       data ->> 'content' AS content, id AS event_id
                FROM arrived
                WHERE fate = 'fact' AND event_type = 'turn') AS told) AS in_order
    WHERE (at <= told_before + interval '1 day') IS NOT TRUE
), elsewhere AS MATERIALIZED (
    -- The same turn as it is known at another time.
    SELECT conversation_id, turn, known.at, known.event_id, said.event_id AS told_by
    FROM said JOIN turns AS known USING (conversation_id, turn)
    WHERE known.at >= :low AND known.at < :high AND known.at <> said.at
      AND known.at >= said.at - interval '1 day' AND known.at <= said.at + interval '1 day'
), displaced AS (
    DELETE FROM turns AS known
    USING elsewhere
    WHERE known.conversation_id = elsewhere.conversation_id AND known.turn = elsewhere.turn
      AND known.at = elsewhere.at AND known.at >= :low AND known.at < :high
      AND elsewhere.event_id > elsewhere.told_by
    RETURNING known.conversation_id, known.at
), made AS (
    INSERT INTO turns AS known (conversation_id, turn, at, role, content, event_id)
    SELECT conversation_id, turn, at, role, content, event_id
    FROM said
    WHERE event_id NOT IN (SELECT told_by FROM elsewhere WHERE event_id <= told_by)
    ON CONFLICT (at, conversation_id, turn) DO UPDATE
    SET role = excluded.role, content = excluded.content, event_id = excluded.event_id
    WHERE excluded.event_id < known.event_id
    RETURNING conversation_id, at
)
INSERT INTO touched
SELECT 'turns', conversation_id, at FROM made
UNION ALL
SELECT 'turns', conversation_id, at FROM displaced;

-- name: drop_replaced(low, high)!
-- What an event replaces is no prediction, whichever of the two arrives first: here it goes where it came first, and
-- project_predictions leaves it out where it comes later. Other events of the dropped answer go back to the ledger.
WITH dropped AS (
    DELETE FROM predictions AS known
    USING arrived
    WHERE arrived.event_type = 'prediction' AND arrived.data ->> 'replaces' = known.event_id::text
      AND known.conversation_id = arrived.conversation_id
      AND known.at >= :low AND known.at < :high
      AND known.at >= arrived.at - interval '1 day' AND known.at <= arrived.at + interval '1 day'
    RETURNING known.*
), set_free AS (
    INSERT INTO log_ledger (ids)
    SELECT array_agg(told.id)
    FROM dropped JOIN ml_tracking_events AS told
      ON told.conversation_id = dropped.conversation_id AND told.event_type = 'prediction'
      AND told.data ->> 'turn' = dropped.turn::text AND told.data ->> 'task' = dropped.task
      AND told.data ->> 'mode' = dropped.mode AND told.data ->> 'version' = dropped.version
      AND told.id >= uuid_floor(:low) AND told.id < uuid_floor(:high)
      AND told.timestamp >= dropped.at - interval '1 day' AND told.timestamp <= dropped.at + interval '1 day'
      AND told.id <> dropped.event_id
    HAVING count(*) > 0
)
INSERT INTO touched SELECT 'predictions', conversation_id, at FROM dropped;

-- name: project_predictions(low, high)!
-- One answer of a version to a turn is one prediction, however often it is told within a day; of its events that no other
-- replaces the earliest holds.
WITH told AS (
    SELECT conversation_id, (data ->> 'turn')::integer AS turn, data ->> 'task' AS task, data ->> 'mode' AS mode,
           data ->> 'version' AS version, at, data -> 'probabilities' AS probabilities,
           ARRAY(SELECT jsonb_array_elements_text(data -> 'labels')) AS labels,
           coalesce(data ->> 'is_served' = 'true', false) AS is_served,
           CASE WHEN jsonb_typeof(data -> 'latency_ms') = 'number'
                 AND pg_input_is_valid(data ->> 'latency_ms', 'double precision')
                THEN (data ->> 'latency_ms')::double precision END AS latency_ms,
           CASE WHEN pg_input_is_valid(data ->> 'feature_revision', 'integer')
                THEN (data ->> 'feature_revision')::integer END AS feature_revision,
           data ->> 'feature_digest' AS feature_digest,
           CASE jsonb_typeof(data -> 'context') WHEN 'object' THEN data -> 'context' ELSE '{}' END AS context,
           CASE WHEN jsonb_typeof(data -> 'propensity') = 'number'
                THEN least(greatest((data ->> 'propensity')::numeric, 0), 1)::double precision END AS propensity,
           CASE WHEN pg_input_is_valid(data #>> '{policy,epoch}', 'integer')
                THEN (data #>> '{policy,epoch}')::integer END AS policy_epoch,
           CASE WHEN pg_input_is_valid(data #>> '{policy,n}', 'bigint') THEN (data #>> '{policy,n}')::bigint END AS policy_n,
           id AS event_id
    FROM arrived
    WHERE fate = 'fact' AND event_type = 'prediction'
      AND (id::text, conversation_id) NOT IN (
          -- The text of an id sorts by its time: this reads what replaces something of the batch's own span.
          SELECT later.data ->> 'replaces', later.conversation_id
          FROM ml_tracking_events AS later
          WHERE later.event_type = 'prediction' AND later.conversation_id IS NOT NULL
            AND later.data ->> 'replaces' >= (SELECT min(id::text) FROM arrived)
            AND later.data ->> 'replaces' <= (SELECT max(id::text) FROM arrived)
            AND later.id >= uuid_floor(:low) AND later.id < uuid_floor(:high)
            AND CASE WHEN pg_input_is_valid(later.data ->> 'replaces', 'uuid')
                     THEN later.timestamp - uuid_time((later.data ->> 'replaces')::uuid)
                          BETWEEN interval '-1 day' AND interval '1 day'
                     ELSE false END)
), said AS MATERIALIZED (
    SELECT *
    FROM (SELECT *, lag(at) OVER (PARTITION BY conversation_id, turn, task, mode, version ORDER BY event_id) AS told_before
          FROM told) AS in_order
    WHERE (at <= told_before + interval '1 day') IS NOT TRUE
), elsewhere AS MATERIALIZED (
    -- The same answer as it is known at another time.
    SELECT conversation_id, turn, task, mode, version, known.at, known.event_id, said.event_id AS told_by
    FROM said JOIN predictions AS known USING (conversation_id, turn, task, mode, version)
    WHERE known.at >= :low AND known.at < :high AND known.at <> said.at
      AND known.at >= said.at - interval '1 day' AND known.at <= said.at + interval '1 day'
), displaced AS (
    DELETE FROM predictions AS known
    USING elsewhere
    WHERE known.conversation_id = elsewhere.conversation_id AND known.turn = elsewhere.turn
      AND known.task = elsewhere.task AND known.mode = elsewhere.mode AND known.version = elsewhere.version
      AND known.at = elsewhere.at AND known.at >= :low AND known.at < :high
      AND elsewhere.event_id > elsewhere.told_by
    RETURNING known.conversation_id, known.at
), made AS (
    INSERT INTO predictions AS known (conversation_id, turn, task, mode, version, at, probabilities, labels, is_served,
                                      latency_ms, feature_revision, feature_digest, context, propensity, policy_epoch,
                                      policy_n, event_id)
    SELECT conversation_id, turn, task, mode, version, at, probabilities, labels, is_served,
           latency_ms, feature_revision, feature_digest, context, propensity, policy_epoch, policy_n, event_id
    FROM said
    WHERE event_id NOT IN (SELECT told_by FROM elsewhere WHERE event_id <= told_by)
    ON CONFLICT (at, conversation_id, turn, task, mode, version) DO UPDATE
    SET probabilities = excluded.probabilities, labels = excluded.labels, is_served = excluded.is_served,
        latency_ms = excluded.latency_ms, feature_revision = excluded.feature_revision,
        feature_digest = excluded.feature_digest, context = excluded.context, propensity = excluded.propensity,
        policy_epoch = excluded.policy_epoch, policy_n = excluded.policy_n, event_id = excluded.event_id
    WHERE excluded.event_id < known.event_id
    RETURNING conversation_id, at
)
INSERT INTO touched
SELECT 'predictions', conversation_id, at FROM made
UNION ALL
SELECT 'predictions', conversation_id, at FROM displaced;

-- name: new_currencies()
-- The currencies that the batch tells and no fact has had so far.
SELECT DISTINCT currency
FROM (SELECT currency_code(data ->> 'currency') AS currency
      FROM arrived
      WHERE fate = 'fact' AND event_type IN ('outcome', 'label')) AS told
WHERE currency <> ''
  AND NOT EXISTS (SELECT FROM outcomes AS known WHERE known.currency = told.currency)
  AND NOT EXISTS (SELECT FROM labels AS known WHERE known.currency = told.currency);

-- name: project_outcomes(sold_tiers)!
-- Sold: an explicit value decides (more than 0), else the outcome converted, else a tier that counts as a sale.
WITH made AS (
    INSERT INTO outcomes (event_id, conversation_id, at, learnt_at, outcome, is_sold, value, currency, tier,
                          satisfaction, duration_seconds, source, supersedes)
    SELECT id, conversation_id, at, learnt_at, data ->> 'outcome',
           coalesce((data ->> 'conversion_value')::numeric > 0,
                    data ->> 'outcome' = 'converted'
                    OR coalesce(data ->> 'tier_selected' = ANY (:sold_tiers::text[]), false)),
           (data ->> 'conversion_value')::numeric, currency_code(data ->> 'currency'), data ->> 'tier_selected',
           CASE WHEN jsonb_typeof(data -> 'satisfaction') = 'number'
                 AND pg_input_is_valid(data ->> 'satisfaction', 'double precision')
                THEN (data ->> 'satisfaction')::double precision END,
           CASE WHEN jsonb_typeof(data -> 'duration_seconds') = 'number'
                 AND pg_input_is_valid(data ->> 'duration_seconds', 'double precision')
                THEN (data ->> 'duration_seconds')::double precision END,
           source, CASE WHEN pg_input_is_valid(data ->> 'supersedes', 'uuid') THEN (data ->> 'supersedes')::uuid END
    FROM arrived
    WHERE fate = 'fact' AND event_type = 'outcome'
    ON CONFLICT (event_id) DO NOTHING
    RETURNING conversation_id, at
)
INSERT INTO touched SELECT 'outcomes', conversation_id, at, true FROM made;

-- name: project_labels()!
WITH made AS (
    INSERT INTO labels (event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value,
                        currency, supersedes)
    SELECT id, conversation_id, (data ->> 'turn')::integer, data ->> 'task',
           ARRAY(SELECT jsonb_array_elements_text(data -> 'labels')), data ->> 'source',
           array_position(ARRAY['human', 'crm', 'agent', 'derived'], data ->> 'source'), at, learnt_at,
           CASE WHEN jsonb_typeof(data -> 'value') = 'number' AND abs((data ->> 'value')::numeric) < 1e15
                THEN (data ->> 'value')::numeric END,
           currency_code(data ->> 'currency'),
           CASE WHEN pg_input_is_valid(data ->> 'supersedes', 'uuid') THEN (data ->> 'supersedes')::uuid END
    FROM arrived
    WHERE fate = 'fact' AND event_type = 'label'
    ON CONFLICT (event_id) DO NOTHING
    RETURNING conversation_id, at
)
INSERT INTO touched SELECT 'labels', conversation_id, at, true FROM made;

-- name: mark_superseded()!
-- Of the conversations that the batch tells a truth of: which of two came first, and in which batch, makes no difference.
WITH superseded AS (
    SELECT event_id, superseded_at
    FROM supersessions
    WHERE conversation_id = ANY (ARRAY(
        SELECT DISTINCT conversation_id FROM touched WHERE table_name IN ('outcomes', 'labels')))
), outcome AS (
    UPDATE outcomes AS known SET superseded_at = superseded.superseded_at
    FROM superseded
    WHERE known.event_id = superseded.event_id AND known.superseded_at IS DISTINCT FROM superseded.superseded_at
    RETURNING known.conversation_id, known.at
), label AS (
    UPDATE labels AS known SET superseded_at = superseded.superseded_at
    FROM superseded
    WHERE known.event_id = superseded.event_id AND known.superseded_at IS DISTINCT FROM superseded.superseded_at
    RETURNING known.conversation_id, known.at
)
INSERT INTO touched
SELECT 'outcomes', conversation_id, at, true FROM outcome
UNION ALL
SELECT 'labels', conversation_id, at, true FROM label;

-- name: count_unmatched()^
-- Truths of the batch without a conversation, and those that had waited for one that the batch made.
SELECT (SELECT count(*)
        FROM arrived AS told
        WHERE fate = 'fact' AND event_type IN ('outcome', 'label')
          AND NOT EXISTS (SELECT FROM conversations AS c WHERE c.conversation_id = told.conversation_id)) AS unmatched,
       (SELECT count(*)
        FROM outcome_ledger
        WHERE conversation_id = ANY (ARRAY(
            SELECT DISTINCT conversation_id FROM touched WHERE table_name = 'conversations' AND NOT reaches))
          AND event_id NOT IN (SELECT id FROM arrived)) AS matched_late;

-- name: project_assignments()!
-- Of several events that tell a conversation's arm the earliest holds.
WITH said AS (
    SELECT DISTINCT ON (conversation_id, experiment_id)
           conversation_id, (data ->> 'experiment_id')::uuid AS experiment_id, data ->> 'experiment' AS experiment,
           data ->> 'arm' AS arm, data ->> 'unit' AS unit, data ->> 'unit_id' AS unit_id,
           (data ->> 'propensity')::double precision AS propensity, data ->> 'reason' AS reason, at,
           (data #>> '{policy,epoch}')::integer AS policy_epoch, (data #>> '{policy,n}')::bigint AS policy_n,
           id AS event_id
    FROM arrived
    WHERE fate = 'fact' AND event_type = 'assignment'
    ORDER BY conversation_id, experiment_id, event_id
), displaced AS (
    SELECT known.conversation_id, known.at
    FROM said JOIN assignments AS known USING (conversation_id, experiment_id)
    WHERE said.event_id < known.event_id
), made AS (
    INSERT INTO assignments AS known (conversation_id, experiment_id, experiment, arm, unit, unit_id, propensity,
                                      reason, at, policy_epoch, policy_n, event_id)
    SELECT conversation_id, experiment_id, experiment, arm, unit, unit_id, propensity, reason, at, policy_epoch,
           policy_n, event_id
    FROM said
    ORDER BY conversation_id, experiment_id
    ON CONFLICT (conversation_id, experiment_id) DO UPDATE
    SET experiment = excluded.experiment, arm = excluded.arm, unit = excluded.unit, unit_id = excluded.unit_id,
        propensity = excluded.propensity, reason = excluded.reason, at = excluded.at,
        policy_epoch = excluded.policy_epoch, policy_n = excluded.policy_n, event_id = excluded.event_id
    WHERE excluded.event_id < known.event_id
    RETURNING conversation_id, at
)
INSERT INTO touched
SELECT 'assignments', conversation_id, at, true FROM made
UNION ALL
SELECT 'assignments', conversation_id, at, true FROM displaced;

-- name: record_requests()!
-- Retraining that agents asked for: a record under the id of its event, written once.
INSERT INTO retraining_requests (request, task, mode, reason, priority, requested_at)
SELECT id, data ->> 'task', data ->> 'mode', coalesce(data ->> 'reason', ''),
       CASE WHEN data ->> 'priority' IN ('low', 'high') THEN data ->> 'priority' ELSE 'normal' END, learnt_at
FROM arrived
WHERE event_type = 'retraining_request' AND fault IS NULL
ORDER BY id
ON CONFLICT (request) DO NOTHING;

-- name: touch_logged(telling)!
-- Errors, failed answers, what cannot be used and what the agent tells of acts make no row here, but figures or acts of
-- their hour.
INSERT INTO touched
SELECT 'ml_tracking_events', conversation_id, at
FROM arrived
WHERE event_type = 'error' OR event_type = 'prediction' AND fate = 'kept' OR fate = 'unprojectable'
   OR event_type = ANY (:telling);

-- name: gather_reached()!
-- The conversations of which the batch says something that changes other hours too: a truth, an arm, another description
-- or start, or a turn that comes after labels.
CREATE TEMPORARY TABLE reached ON COMMIT DROP AS
SELECT conversation_id, c.started_at, c.last_event_at, told.is_described
FROM (SELECT conversation_id, bool_or(reaches) AS reaches,
             bool_or(reaches AND table_name IN ('conversations', 'assignments')) AS is_described
      FROM touched
      GROUP BY conversation_id
      HAVING bool_or(reaches OR table_name = 'turns')) AS told
JOIN conversations AS c USING (conversation_id)
WHERE told.reaches OR EXISTS (SELECT FROM labels WHERE labels.conversation_id = told.conversation_id);

-- name: reached_span()^
-- Between which times lie their predictions and turns; null when there are none.
SELECT min(started_at) - interval '1 day' AS low, max(last_event_at) + interval '1 day' AS high FROM reached;

-- name: touch_reached(low, high)!
-- A truth changes the hours of the predictions it is about and the hour its conversation started in; what slices figures
-- (a description, an arm) changes the hours of its turns as well.
INSERT INTO touched
SELECT DISTINCT 'predictions', p.conversation_id, date_trunc('hour', p.at, 'UTC')
FROM reached AS r
JOIN predictions AS p ON p.conversation_id = r.conversation_id
    AND p.at >= :low AND p.at < :high
    AND p.at >= r.started_at - interval '1 day' AND p.at <= r.last_event_at + interval '1 day'
UNION ALL
SELECT DISTINCT 'turns', t.conversation_id, date_trunc('hour', t.at, 'UTC')
FROM reached AS r
JOIN turns AS t ON t.conversation_id = r.conversation_id
    AND t.at >= :low AND t.at < :high
    AND t.at >= r.started_at - interval '1 day' AND t.at <= r.last_event_at + interval '1 day'
WHERE r.is_described
UNION ALL
SELECT 'conversations', conversation_id, started_at FROM reached;

-- name: record_changed_hours()!
INSERT INTO changed_hours (consumer, table_name, hour)
SELECT consumer, table_name, hour
FROM (SELECT DISTINCT table_name, date_trunc('hour', at, 'UTC') AS hour FROM touched) AS changed
CROSS JOIN fact_consumers
ORDER BY hour, table_name, consumer;

-- name: reopen_hours()!
-- Whatever was said of these hours was said of older facts.
INSERT INTO quality_verdicts AS known (hour)
SELECT DISTINCT date_trunc('hour', at, 'UTC') AS hour FROM touched ORDER BY hour
ON CONFLICT (hour) DO UPDATE
SET facts_version = known.facts_version + 1, state = 'pending', reason = NULL, judged_at = NULL;

-- name: judgement_is_due(now)$
-- Whether hours wait for judgement, and the last one is ten minutes old or an hour has closed since.
SELECT EXISTS (SELECT FROM changed_hours WHERE consumer = 'quality')
   AND coalesce(max(judged_at) <= :now - interval '10 minutes'
                OR max(judged_at) < date_trunc('hour', :now::timestamptz, 'UTC'), true)
FROM quality_results
WHERE judged_at >= :now - interval '1 day';
