-- name: lock()$
-- One analysis at a time; a second one waits and finds nothing left to do.
SELECT pg_advisory_xact_lock(hashtext('analyze_feedback'))::text;

-- name: consume_hours()
-- Takes the changed hours that may be read; the others wait for their verdict.
WITH taken AS (
    DELETE FROM changed_hours AS changed
    USING trusted_hours AS trusted
    WHERE changed.consumer = 'feedback' AND trusted.hour = changed.hour
    RETURNING changed.hour
)
SELECT DISTINCT hour FROM taken ORDER BY hour;

-- name: untrusted_hours()$
-- Changed hours that wait for their verdict.
SELECT count(DISTINCT hour) FROM changed_hours WHERE consumer = 'feedback';

-- name: forget_errors(hours)!
DELETE FROM prediction_errors AS e
USING unnest(CAST(:hours AS timestamptz[])) AS changed(hour)
WHERE e.at >= changed.hour AND e.at < changed.hour + interval '1 hour';

-- name: record_errors(start, end, hours, tasks, kinds)
-- Writes the errors of these hours, which lie in [start, end), and counts what they were found among.
-- Grain: one row per (task, mode, version) that predicted; a task without a definition has no labelled predictions.
WITH answer AS MATERIALIZED (
    SELECT l.*
    FROM labelled_predictions(:start, :end, CAST(:tasks AS jsonb)) AS l
    WHERE date_trunc('hour', l.at, 'UTC') = ANY (CAST(:hours AS timestamptz[]))
), kind AS (
    SELECT * FROM jsonb_to_recordset(CAST(:kinds AS jsonb)) AS k(task text, missed text, unfounded text)
), error AS (
    INSERT INTO prediction_errors (conversation_id, turn, task, mode, version, kind, label, at, probability, loss,
                                   label_source)
    SELECT a.conversation_id, a.turn, a.task, a.mode, a.version,
           CASE WHEN a.is_true THEN kind.missed ELSE kind.unfounded END,
           a.label, a.at, a.probability,
           -ln(greatest(least(CASE WHEN a.is_true THEN a.probability ELSE 1 - a.probability END, 1), 1e-6)),
           a.label_source
    FROM answer AS a JOIN kind USING (task)
    WHERE a.is_predicted <> a.is_true
    RETURNING task, mode, version, kind
), predicted AS (
    SELECT p.task, p.mode, p.version, count(*) AS predictions
    FROM predictions AS p
    WHERE p.at >= :start AND p.at < :end AND date_trunc('hour', p.at, 'UTC') = ANY (CAST(:hours AS timestamptz[]))
    GROUP BY p.task, p.mode, p.version
), labelled AS (
    SELECT task, mode, version, count(*) AS answers, count(DISTINCT (conversation_id, turn)) AS labelled
    FROM answer
    GROUP BY task, mode, version
), mistaken AS (
    SELECT task, mode, version, jsonb_object_agg(kind, errors) AS errors
    FROM (SELECT task, mode, version, kind, count(*) AS errors FROM error GROUP BY task, mode, version, kind) AS counted
    GROUP BY task, mode, version
)
SELECT predicted.task, predicted.mode, predicted.version, predictions, coalesce(labelled, 0) AS labelled,
       coalesce(answers, 0) AS answers, coalesce(errors, '{}') AS errors
FROM predicted
LEFT JOIN labelled USING (task, mode, version)
LEFT JOIN mistaken USING (task, mode, version);
