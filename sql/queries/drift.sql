-- name: lock()$
-- One check at a time; a second one waits and replaces the same rows.
SELECT pg_advisory_xact_lock(hashtext('check_drift'))::text;

-- name: newest_trusted_time()$
-- The end of the newest hour that may be read. An hour to come is an agent whose clock is wrong.
SELECT max(hour) + interval '1 hour' FROM trusted_hours WHERE hour <= now();

-- name: last_window_end()$
SELECT max(window_end) FROM drift_checks WHERE kind <> 'delay';

-- name: trained_interval()^
-- The training interval of the champion trained longest ago: the one most likely to be out of date.
SELECT (d.evidence ->> 'trained_from')::timestamptz AS trained_from,
       (d.evidence ->> 'trained_until')::timestamptz AS trained_until
FROM model_rollouts AS r JOIN decisions AS d USING (decision)
WHERE r.state = 'champion' AND r.until IS NULL
  AND d.evidence ->> 'trained_from' IS NOT NULL AND d.evidence ->> 'trained_until' IS NOT NULL
ORDER BY trained_until
LIMIT 1;

-- name: sample_conversations(start, end, limit)
-- At most `limit` trusted conversations, always the same ones: those whose id hashes lowest.
SELECT c.conversation_id::text
FROM conversations AS c
JOIN trusted_hours AS trusted ON trusted.hour = date_trunc('hour', c.started_at, 'UTC')
WHERE c.started_at >= :start AND c.started_at < :end
ORDER BY hashtextextended(c.conversation_id::text, 0), c.conversation_id
LIMIT :limit;

-- name: predicted_turns(ids, start, end)
-- Grain: one row per turn up to one predicted turn of each conversation, with the context of that prediction. Which turn
-- it is depends on the ids alone. A conversation may run on for a day after the window it started in.
WITH predicted AS (
    SELECT DISTINCT ON (p.conversation_id) p.conversation_id, p.turn, p.context
    FROM predictions AS p
    JOIN trusted_hours AS trusted ON trusted.hour = date_trunc('hour', p.at, 'UTC')
    WHERE p.conversation_id = ANY (CAST(:ids AS uuid[]))
      AND p.at >= :start AND p.at < :end + interval '1 day'
    ORDER BY p.conversation_id, hashtextextended(p.conversation_id::text || ':' || p.turn, 1), p.turn,
             p.task, p.mode, p.version
)
SELECT t.conversation_id::text, t.turn, t.role, t.content, predicted.context
FROM predicted
JOIN turns AS t ON t.conversation_id = predicted.conversation_id AND t.turn <= predicted.turn
WHERE t.at >= :start - interval '1 day' AND t.at < :end + interval '1 day'
ORDER BY t.conversation_id, t.turn;

-- name: mean_probabilities(ids, start, end, tasks)
-- Grain: one row per (task, mode, version, label): the mean probability of each conversation. A label that an answer
-- leaves out has probability 0. Rounded, for the mean of ten times .3 is not .3, and ranks would tell them apart.
WITH task AS (
    SELECT * FROM jsonb_to_recordset(CAST(:tasks AS jsonb)) AS d(name text, labels text[])
), conversation AS (
    SELECT p.task, p.mode, p.version, label,
           round(avg(coalesce((p.probabilities ->> label)::double precision, 0))::numeric, 9)::double precision
               AS probability
    FROM predictions AS p
    JOIN trusted_hours AS trusted ON trusted.hour = date_trunc('hour', p.at, 'UTC')
    JOIN task ON task.name = p.task
    CROSS JOIN unnest(task.labels) AS label
    WHERE p.conversation_id = ANY (CAST(:ids AS uuid[]))
      AND p.at >= :start AND p.at < :end + interval '1 day'
    GROUP BY p.conversation_id, p.task, p.mode, p.version, label
)
SELECT task, mode, version, label, array_agg(probability) AS probabilities
FROM conversation
GROUP BY task, mode, version, label;

-- name: label_occurrences(ids, tasks)
-- Grain: one row per (task, label): for each conversation labelled for the task, whether the label occurs in it. Derived
-- labels are left out, here and below: that another tagger reads is no drift.
WITH task AS (
    SELECT * FROM jsonb_to_recordset(CAST(:tasks AS jsonb)) AS d(name text, labels text[])
), conversation AS (
    SELECT known.conversation_id, task.name AS task, label, bool_or(label = ANY (known.labels)) AS has_label
    FROM unnest(CAST(:ids AS uuid[])) AS wanted(id)
    CROSS JOIN LATERAL (SELECT * FROM current_labels WHERE current_labels.conversation_id = wanted.id
                                                   AND current_labels.source <> 'derived') AS known
    JOIN task ON task.name = known.task
    CROSS JOIN unnest(task.labels) AS label
    GROUP BY known.conversation_id, task.name, label
)
SELECT task, label, array_agg(has_label) AS occurred
FROM conversation
GROUP BY task, label;

-- name: mean_losses(ids, start, end, tasks)
-- Grain: one row per (task, mode, version): the mean log loss of each conversation's labelled answers,
-- rounded likewise.
WITH conversation AS (
    SELECT l.task, l.mode, l.version,
           round(avg(-ln(greatest(CASE WHEN l.is_true THEN l.probability ELSE 1 - l.probability END, 1e-6)))::numeric,
                 9)::double precision AS loss
    FROM labelled_predictions(:start, :end + interval '1 day', CAST(:tasks AS jsonb), CAST(:ids AS uuid[])) AS l
    JOIN trusted_hours AS trusted ON trusted.hour = date_trunc('hour', l.at, 'UTC')
    WHERE l.label_source <> 'derived'
    GROUP BY l.conversation_id, l.task, l.mode, l.version
)
SELECT task, mode, version, array_agg(loss) AS losses
FROM conversation
GROUP BY task, mode, version;

-- name: forget(window_end)!
DELETE FROM drift_checks WHERE window_end = :window_end AND kind <> 'delay';

-- name: forget_delays(window_end)!
DELETE FROM drift_checks WHERE window_end = :window_end AND kind = 'delay';

-- name: record(window_start, window_end, reference_start, kind, subject, psi, test, statistic, p_value, has_drifted, severity, headline, evidence)*!
INSERT INTO drift_checks (window_start, window_end, reference_start, kind, subject, psi, test, statistic, p_value,
                          has_drifted, severity, headline, evidence, checked_at)
VALUES (:window_start, :window_end, :reference_start, :kind, :subject, :psi, :test, :statistic, :p_value,
        :has_drifted, :severity, :headline, CAST(:evidence AS jsonb), now());
