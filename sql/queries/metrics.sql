-- The rollup works on temporary tables that live as long as its transaction:
--   declared (metric, dimension)  what the catalogue declares; '' is the figure of all rows together
--   rolled_hours (hour)           the hours to make again
--   spoken, sales                 turns of these hours, and conversations that started in them
--   described, audiences          the slices of their conversations, and the few sets of slices that there are
--   kinds                         task, mode, version and phase of the predictions
--   answers                       predictions of these hours; those of one hour, kind and audience are one cell
--   cells, cell_parts, parts      a part is one slice of an hour, task, mode and version; a cell counts in several
--   known, scored, judged         answers whose truth is known; the same per label; and counted per cell, label and source
--   dialogues                     how the started conversations went
-- sql/rollups/ turns them into metrics, one statement for all that one pass gives. A row counts in each of its slices: ''
-- and `dimension=value`, one dimension at a time; what has no value there is in no slice of it.
-- Kinds, audiences, cells and parts are numbers: grouping and sorting by five texts was most of the time that a day took.
-- Sums are of whole numbers: a sum of floats depends on the order of its rows, and a backfill shall give the same figure to
-- the last digit. So shares are counted in billionths, and milliseconds in millionths. What a released hour may hold and
-- nobody can mean (a probability of 7, a satisfaction of 1e300) counts as the nearest that is possible, so that it stops nothing.

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('roll_up_metrics'))::text;

-- name: open_hours()!
-- Memory enough to hash what there is of a day. Nothing is known of temporary tables but their size, and what the planner
-- assumes of them makes it sort, or compare each row with each.
SET LOCAL work_mem = '64MB';
SET LOCAL enable_mergejoin = off;
SET LOCAL enable_nestloop = off;
CREATE TEMPORARY TABLE rolled_hours (hour timestamptz PRIMARY KEY) ON COMMIT DROP;

-- name: take_interval(start, end)!
INSERT INTO rolled_hours
SELECT hour FROM trusted_hours WHERE hour >= date_trunc('hour', :start::timestamptz, 'UTC') AND hour < :end;

-- name: take_changed_hours()!
-- Changed hours that are not trusted wait; their rows stay. No metric belongs to the hour a truth was told in.
WITH taken AS (
    DELETE FROM changed_hours
    WHERE consumer = 'rollups' AND hour IN (SELECT hour FROM trusted_hours)
    RETURNING hour, table_name
)
INSERT INTO rolled_hours
SELECT DISTINCT hour FROM taken WHERE table_name NOT IN ('labels', 'outcomes') ON CONFLICT DO NOTHING;

-- name: count_hours()$
SELECT count(*) FROM rolled_hours;

-- name: declare(metrics)!
CREATE TEMPORARY TABLE declared ON COMMIT DROP AS
SELECT name AS metric, dimension
FROM jsonb_to_recordset(:metrics) AS listed(name text, dimensions text[]) CROSS JOIN unnest(dimensions) AS dimension;

-- name: span_days()!
-- Hours of one day are read as one span: one scan of each partition, however many of its hours changed. Whatever reads
-- it says OFFSET 0, which keeps the planner from scanning all days at once.
CREATE TEMPORARY TABLE rolled_days ON COMMIT DROP AS
SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
FROM rolled_hours
GROUP BY date_trunc('day', hour, 'UTC');

-- name: read_turns()!
CREATE TEMPORARY TABLE spoken ON COMMIT DROP AS
SELECT date_trunc('hour', t.at, 'UTC') AS hour, t.conversation_id, count(*) AS turns
FROM rolled_days
CROSS JOIN LATERAL (SELECT conversation_id, at FROM turns WHERE at >= low AND at < high OFFSET 0) AS t
WHERE date_trunc('hour', t.at, 'UTC') IN (SELECT hour FROM rolled_hours)
GROUP BY 1, 2;

-- name: read_sales()!
-- outcome: the one that holds; satisfaction: the last one given.
CREATE TEMPORARY TABLE sales ON COMMIT DROP AS
SELECT date_trunc('hour', s.started_at, 'UTC') AS hour, s.conversation_id, s.is_sold, s.value, s.net_value, s.currency,
       s.label_source, ended.outcome, rated.satisfaction
FROM rolled_days
CROSS JOIN LATERAL sales_as_of('infinity', low, high) AS s
LEFT JOIN LATERAL (
    SELECT outcome FROM current_outcomes AS o WHERE o.conversation_id = s.conversation_id OFFSET 0
) AS ended ON true
LEFT JOIN LATERAL (
    SELECT least(greatest(satisfaction, -1e6), 1e6) AS satisfaction
    FROM outcomes AS o
    WHERE o.conversation_id = s.conversation_id AND o.satisfaction IS NOT NULL
    ORDER BY o.learnt_at DESC, o.event_id DESC
    LIMIT 1
) AS rated ON true
WHERE date_trunc('hour', s.started_at, 'UTC') IN (SELECT hour FROM rolled_hours);

-- name: list_kinds()!
CREATE TEMPORARY TABLE kinds ON COMMIT DROP AS
SELECT row_number() OVER ()::integer AS kind, told.*
FROM (SELECT DISTINCT p.task, p.mode, p.version, coalesce(p.context ->> 'phase', '') AS phase
      FROM rolled_days
      CROSS JOIN LATERAL (
          SELECT task, mode, version, context FROM predictions WHERE at >= low AND at < high OFFSET 0
      ) AS p) AS told;

-- name: describe()!
-- slices: those of the conversation. Conversations that share all of them are one audience.
CREATE TEMPORARY TABLE described ON COMMIT DROP AS
SELECT c.conversation_id, c.started_at, c.last_event_at, part.slices,
       dense_rank() OVER (ORDER BY part.slices)::integer AS audience
FROM (SELECT conversation_id FROM sales
      UNION
      SELECT conversation_id FROM spoken
      UNION
      SELECT p.conversation_id
      FROM rolled_days
      CROSS JOIN LATERAL (SELECT conversation_id FROM predictions WHERE at >= low AND at < high OFFSET 0) AS p) AS met
JOIN conversations AS c USING (conversation_id)
CROSS JOIN LATERAL (
    SELECT array_remove(ARRAY['', 'source=' || c.source, 'language=' || c.language, 'program=' || c.program,
                              'platform=' || c.platform], NULL)
           || ARRAY(SELECT DISTINCT 'arm=' || a.experiment || '/' || a.arm
                    FROM assignments AS a
                    WHERE a.conversation_id = c.conversation_id AND a.reason = 'drawn'
                    ORDER BY 1) AS slices
) AS part;

-- name: list_audiences()!
CREATE TEMPORARY TABLE audiences ON COMMIT DROP AS SELECT DISTINCT audience, slices FROM described;

-- name: read_answers(tasks)!
-- confidence: the highest probability; of a task with one label the probability of the likelier side.
-- cell: hour, kind and audience in one number, the audience in the lowest 20 bits and the kind in the next.
CREATE TEMPORARY TABLE answers ON COMMIT DROP AS
SELECT (date_part('epoch', date_trunc('hour', p.at, 'UTC'))::bigint / 3600 << 40) + (k.kind::bigint << 20) + d.audience AS cell,
       k.kind, p.conversation_id, p.turn, p.probabilities, p.labels, p.latency_ms,
       CASE WHEN jsonb_array_length(task.labels) = 1 THEN greatest(said.top, 1 - said.top) ELSE said.top END AS confidence
FROM rolled_days
CROSS JOIN LATERAL (
    SELECT *, coalesce(context ->> 'phase', '') AS phase FROM predictions WHERE at >= low AND at < high OFFSET 0
) AS p
JOIN kinds AS k USING (task, mode, version, phase)
JOIN described AS d USING (conversation_id)
LEFT JOIN jsonb_to_recordset(:tasks) AS task(name text, labels jsonb) ON task.name = p.task
CROSS JOIN LATERAL (SELECT max(least(greatest(probability::numeric, 0), 1))::double precision AS top
                    FROM jsonb_each(p.probabilities) AS answer(label, probability)) AS said
WHERE date_trunc('hour', p.at, 'UTC') IN (SELECT hour FROM rolled_hours);

-- name: list_cells()!
-- series: one hour of one task, mode and version.
CREATE TEMPORARY TABLE cells ON COMMIT DROP AS
SELECT used.cell, dense_rank() OVER (ORDER BY used.cell >> 40, task COLLATE "C", mode COLLATE "C", version COLLATE "C") AS series,
       to_timestamp((used.cell >> 40) * 3600) AS hour, task, mode, version,
       slices || CASE WHEN phase = '' THEN '{}' ELSE ARRAY['phase=' || phase] END AS slices
FROM (SELECT DISTINCT cell FROM answers) AS used
JOIN kinds ON kind = used.cell >> 20 & (1 << 20) - 1
JOIN audiences ON audience = used.cell & (1 << 20) - 1;

-- name: join_cells_with_parts()!
CREATE TEMPORARY TABLE cell_parts ON COMMIT DROP AS
SELECT cell, dense_rank() OVER (ORDER BY series, slice COLLATE "C")::integer AS part, slice,
       split_part(slice, '=', 1) AS dimension
FROM cells CROSS JOIN unnest(slices) AS slice;

-- name: list_parts()!
CREATE TEMPORARY TABLE parts ON COMMIT DROP AS
SELECT first.part, c.hour, c.task, c.mode, c.version, first.slice, first.dimension
FROM (SELECT part, min(cell) AS cell, min(slice) AS slice, min(dimension) AS dimension FROM cell_parts GROUP BY part) AS first
JOIN cells AS c USING (cell);

-- name: read_known(tasks)!
-- As labelled_predictions joins them, of the answers that are read already.
CREATE TEMPORARY TABLE known ON COMMIT DROP AS
WITH task AS (
    SELECT * FROM jsonb_to_recordset(:tasks) AS d(name text, scope text, labels text[])
), truth AS MATERIALIZED (
    SELECT held.*
    FROM (SELECT min(low) - interval '1 day' AS low, max(high) + interval '7 days' AS high FROM rolled_days) AS bounds
    CROSS JOIN LATERAL conversation_truths(ARRAY(SELECT DISTINCT conversation_id FROM answers), bounds.low, bounds.high, :tasks)
        AS held
)
SELECT a.cell, a.probabilities, a.labels, truth.labels AS true_labels, truth.label_source, task.labels AS label_set
FROM answers AS a
JOIN kinds AS k USING (kind)
JOIN task ON task.name = k.task
JOIN truth ON truth.conversation_id = a.conversation_id AND truth.task = k.task AND truth.mode = k.mode
          AND coalesce(truth.turn, -1) = CASE task.scope WHEN 'turn' THEN a.turn ELSE -1 END;

-- name: score()!
CREATE TEMPORARY TABLE scored ON COMMIT DROP AS
SELECT cell, label, label_source,
       least(greatest(coalesce((probabilities -> label)::numeric, 0), 0), 1)::double precision AS probability,
       label = ANY (labels) AS is_predicted, label = ANY (true_labels) AS is_true
FROM known CROSS JOIN unnest(label_set) AS label;

-- name: judge()!
-- loss: minus the logarithm of the probability given to what came true, which is kept a billionth away from 0, so that one
-- sure mistake is finite.
CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
SELECT cell, label, label_source, count(*) AS n, count(*) FILTER (WHERE is_predicted = is_true) AS agreed,
       count(*) FILTER (WHERE is_predicted) AS predicted, count(*) FILTER (WHERE is_true) AS came_true,
       count(*) FILTER (WHERE is_predicted AND is_true) AS hits,
       sum(round(squared * 1e9)::bigint)::bigint AS squared_error,
       sum(round(squared * squared * 1e9)::bigint)::bigint AS its_square,
       sum(round(loss * 1e9)::bigint)::bigint AS loss, sum(round(loss * loss * 1e9)::bigint)::bigint AS squared_loss
FROM (SELECT cell, label, label_source, is_predicted, is_true,
             (probability - is_true::integer) * (probability - is_true::integer) AS squared,
             -ln(greatest(CASE WHEN is_true THEN probability ELSE 1 - probability END, 1e-9::double precision)) AS loss
      FROM scored
      OFFSET 0) AS s
GROUP BY cell, label, label_source;

-- name: read_dialogues()!
-- How the conversations that started in these hours went. agent_share: of the characters said. The first objection is that
-- of the acts; where they tell none, that of the labels. objection_turn: how many turns the customer had up to it.
CREATE TEMPORARY TABLE dialogues ON COMMIT DROP AS
SELECT s.hour, d.slices, s.is_sold, said.agent_share, coalesce(acted.label, labelled.label) AS objection,
       coalesce(acted.source, labelled.source) AS objection_source, customer.turns AS objection_turn, reached.phases,
       reached.last_phase
FROM sales AS s
JOIN described AS d USING (conversation_id)
CROSS JOIN LATERAL (
    SELECT sum(char_length(content)) FILTER (WHERE role = 'assistant')::double precision / nullif(sum(char_length(content)), 0)
           AS agent_share
    FROM turns AS t
    WHERE t.conversation_id = s.conversation_id AND t.at >= d.started_at AND t.at <= d.last_event_at
) AS said
LEFT JOIN LATERAL (
    SELECT a.turn, substr(a.act, length('objection_') + 1) AS label, a.source
    FROM acts AS a
    WHERE a.conversation_id = s.conversation_id AND a.at >= d.started_at AND a.at <= d.last_event_at
      AND starts_with(a.act, 'objection_')
    ORDER BY a.turn, a.act
    LIMIT 1
) AS acted ON true
LEFT JOIN LATERAL (
    SELECT l.turn, label, l.source
    FROM current_labels AS l CROSS JOIN unnest(l.labels) AS label
    WHERE acted.turn IS NULL AND l.conversation_id = s.conversation_id AND l.task = 'objection' AND l.turn IS NOT NULL
    ORDER BY l.turn, label
    LIMIT 1
) AS labelled ON true
CROSS JOIN LATERAL (
    SELECT nullif(count(*), 0) AS turns
    FROM turns AS t
    WHERE t.conversation_id = s.conversation_id AND t.at >= d.started_at AND t.at <= d.last_event_at
      AND t.role = 'user' AND t.turn <= coalesce(acted.turn, labelled.turn)
) AS customer
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT p.context ->> 'phase') AS phases,
           (array_agg(p.context ->> 'phase' ORDER BY p.turn DESC, p.context ->> 'phase' DESC))[1] AS last_phase
    FROM predictions AS p
    WHERE p.conversation_id = s.conversation_id AND p.at >= d.started_at AND p.at <= d.last_event_at
      AND p.context ->> 'phase' IS NOT NULL
) AS reached;

-- name: forget()!
DELETE FROM metric_rollups WHERE hour IN (SELECT hour FROM rolled_hours);

-- name: days_of(metric, since, slice)
SELECT period_start, task, mode, version, value, low, high, n
FROM metric_periods
WHERE grain = 'day' AND metric = :metric AND slice = :slice AND period_start >= date_trunc('day', :since::timestamptz, 'UTC')
ORDER BY period_start, task, mode, version;
