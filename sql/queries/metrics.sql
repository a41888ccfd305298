-- The rollup works on temporary tables that live as long as its transaction:
--   rolled_hours (hour)       the hours to make again
--   scored                    labelled predictions of these hours
--   answers                   predictions of these hours
--   started                   conversations that started in these hours, with how they ended as far as it is known
-- sql/rollups/ turns them into metrics, one statement per family. Means are taken in numeric: a sum of floats depends
-- on the order of its rows, and a backfill shall give the same figure to the last digit.

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('roll_up_metrics'))::text;

-- name: open_hours()!
CREATE TEMPORARY TABLE rolled_hours (hour timestamptz PRIMARY KEY) ON COMMIT DROP;

-- name: take_interval(start, end)!
INSERT INTO rolled_hours
SELECT hour FROM trusted_hours WHERE hour >= date_trunc('hour', :start::timestamptz, 'UTC') AND hour < :end;

-- name: take_changed_hours()!
-- Changed hours that are not trusted wait; their rows stay.
WITH taken AS (
    DELETE FROM changed_hours
    WHERE consumer = 'rollups' AND hour IN (SELECT hour FROM trusted_hours)
    RETURNING hour
)
INSERT INTO rolled_hours SELECT DISTINCT hour FROM taken ON CONFLICT DO NOTHING;

-- name: count_hours()$
SELECT count(*) FROM rolled_hours;

-- name: span_days()!
-- Hours of one day are read as one span: one scan of each partition, however many of its hours changed. Whatever reads
-- it says OFFSET 0, which keeps the planner from scanning all days at once.
CREATE TEMPORARY TABLE rolled_days ON COMMIT DROP AS
SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
FROM rolled_hours
GROUP BY date_trunc('day', hour, 'UTC');

-- name: read_scored(tasks)!
CREATE TEMPORARY TABLE scored ON COMMIT DROP AS
SELECT date_trunc('hour', p.at, 'UTC') AS hour, p.*
FROM rolled_days CROSS JOIN LATERAL labelled_predictions(low, high, :tasks) AS p
WHERE date_trunc('hour', p.at, 'UTC') IN (SELECT hour FROM rolled_hours);

-- name: read_answers(tasks)!
-- confidence: the highest probability; of a task with one label the probability of the likelier side.
CREATE TEMPORARY TABLE answers ON COMMIT DROP AS
SELECT date_trunc('hour', p.at, 'UTC') AS hour, p.task, p.mode, p.version, p.latency_ms,
       CASE WHEN jsonb_array_length(task.labels) = 1 THEN greatest(answer.top, 1 - answer.top)
            ELSE answer.top END AS confidence
FROM rolled_days
CROSS JOIN LATERAL (SELECT * FROM predictions AS p WHERE p.at >= low AND p.at < high OFFSET 0) AS p
LEFT JOIN jsonb_to_recordset(:tasks) AS task(name text, labels jsonb) ON task.name = p.task
CROSS JOIN LATERAL (SELECT max(probability::double precision) AS top
                    FROM jsonb_each_text(p.probabilities) AS said(label, probability)) AS answer
WHERE date_trunc('hour', p.at, 'UTC') IN (SELECT hour FROM rolled_hours);

-- name: read_started()!
-- is_sold is null while nothing is known. The value is what the source of the sale said, else what the agent said last.
CREATE TEMPORARY TABLE started ON COMMIT DROP AS
SELECT date_trunc('hour', c.started_at, 'UTC') AS hour, c.conversation_id, 'sold' = ANY (sale.labels) AS is_sold,
       CASE WHEN sale.labels IS NOT NULL THEN
           coalesce(sale.value, CASE WHEN 'sold' = ANY (sale.labels) THEN priced.value ELSE 0 END) END AS value,
       coalesce(sale.currency, priced.currency, '') AS currency, rated.satisfaction
FROM rolled_days
CROSS JOIN LATERAL (SELECT * FROM conversations AS c WHERE c.started_at >= low AND c.started_at < high OFFSET 0) AS c
LEFT JOIN LATERAL (
    SELECT labels, value, currency
    FROM current_labels AS l
    WHERE l.conversation_id = c.conversation_id AND l.task = 'conversion' AND l.turn IS NULL
) AS sale ON true
LEFT JOIN LATERAL (
    SELECT value, currency
    FROM outcomes AS o
    WHERE o.conversation_id = c.conversation_id AND o.value IS NOT NULL
    ORDER BY o.learnt_at DESC, o.event_id DESC
    LIMIT 1
) AS priced ON true
LEFT JOIN LATERAL (
    SELECT satisfaction
    FROM outcomes AS o
    WHERE o.conversation_id = c.conversation_id AND o.satisfaction IS NOT NULL
    ORDER BY o.learnt_at DESC, o.event_id DESC
    LIMIT 1
) AS rated ON true
WHERE date_trunc('hour', c.started_at, 'UTC') IN (SELECT hour FROM rolled_hours);

-- name: forget()!
DELETE FROM metric_rollups WHERE hour IN (SELECT hour FROM rolled_hours);
