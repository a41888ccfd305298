-- Whether a task needs retraining, and what was asked for.

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('request_retraining'))::text;

-- name: known_since(task, mode)$
SELECT min(evaluated_at) FROM trigger_evaluations WHERE task = :task AND mode = :mode;

-- name: serving(task, mode)^
-- The champion, since when it serves, and what its own gate measured; a rollback kept no figures.
SELECT r.version, r.since, (gate.evidence ->> 'trained_until')::timestamptz AS learnt_until,
       gate.evidence -> 'metrics' AS metrics
FROM model_rollouts AS r
LEFT JOIN LATERAL (SELECT evidence FROM decisions AS d
                   WHERE d.kind = 'gate' AND d.version = r.version
                   ORDER BY decided_at DESC LIMIT 1) AS gate ON true
WHERE r.task = :task AND r.mode = :mode AND r.state = 'champion' AND r.until IS NULL;

-- name: judged(task, mode)^
-- The latest gate; curve: null where none was kept.
SELECT decided_at AS at, verdict, (evidence #>> '{dataset,conversations}')::integer AS conversations,
       (evidence #>> '{dataset,specification,known_until}')::timestamptz AS known_until,
       evidence -> 'learning_curve' AS curve
FROM decisions
WHERE kind = 'gate' AND task = :task AND mode = :mode
ORDER BY decided_at DESC
LIMIT 1;

-- name: retrained(task, mode, since)
SELECT decided_at
FROM decisions
WHERE kind = 'gate' AND task = :task AND mode = :mode AND decided_at >= :since
ORDER BY decided_at DESC;

-- name: count_new_labels(task, since, now, window_days, is_from_start)$
-- Conversations with a known truth that closed in (since, now]. Those that had started a month and a window before are
-- too old to have turns yet.
SELECT count(*)
FROM conversations AS c
LEFT JOIN LATERAL (SELECT max(t.at) AS at FROM turns AS t
                   WHERE NOT :is_from_start AND t.conversation_id = c.conversation_id
                     AND t.at >= c.started_at - interval '1 day' AND t.at <= c.last_event_at) AS spoken ON true
CROSS JOIN LATERAL (SELECT coalesce(spoken.at, c.started_at) + :window_days * interval '1 day' AS closed_at) AS closing
WHERE closed_at > :since AND closed_at <= :now AND c.started_at <= :now
  AND (:since < '1970-01-01' OR c.started_at > CAST(:since AS timestamptz) - (:window_days + 31) * interval '1 day')
  AND EXISTS (SELECT FROM outcome_ledger AS l
              WHERE l.conversation_id = c.conversation_id AND l.task = :task AND l.source <> 'derived');

-- name: closed_answers(tasks, task, mode, version, start, end, limit)
-- What the version answered in conversations that started in [start, end), and what came true, per (turn, label). Of more
-- than `limit` conversations those whose id hashes lowest, always the same ones.
WITH sample AS (
    SELECT array_agg(conversation_id) AS ids
    FROM (SELECT conversation_id FROM conversations
          WHERE started_at >= :start AND started_at < :end
          ORDER BY hashtextextended(conversation_id::text, 0), conversation_id
          LIMIT :limit) AS chosen
)
SELECT l.conversation_id::text AS conversation_id, l.turn, l.label, l.probability, l.is_true
FROM labelled_predictions(:start, :end::timestamptz + interval '1 day', CAST(:tasks AS jsonb),
                          (SELECT coalesce(ids, '{}') FROM sample)) AS l
JOIN trusted_hours AS trusted ON trusted.hour = date_trunc('hour', l.at, 'UTC')
WHERE l.task = :task AND l.mode = :mode AND l.version = :version AND l.label_source <> 'derived';

-- name: changes(task, mode, version, since)
SELECT metric, at, detected_at, before, after
FROM change_points
WHERE task = :task AND mode = :mode AND version = :version AND slice = '' AND detected_at >= :since
ORDER BY detected_at;

-- name: newest_drifts(task, version)
-- The findings of the newest window that are about the task: of what comes in, of its labels, of its champion's answers.
SELECT kind, subject, severity, window_end, headline, evidence
FROM drift_findings
WHERE window_end = (SELECT max(window_end) FROM drift_checks WHERE kind <> 'delay')
  AND CASE kind WHEN 'data' THEN true
                WHEN 'label' THEN evidence ->> 'task' = :task
                WHEN 'prediction' THEN evidence ->> 'version' = :version
                WHEN 'performance' THEN evidence ->> 'version' = :version END
ORDER BY kind, subject;

-- name: expected_growth(task, mode, version, labels)$
-- By how much the loss that the version expects of its own answers, their mean entropy, grew from the window before the
-- newest drift check's to that one. Null without answers in both.
WITH looked_at AS (
    SELECT window_start, window_end FROM drift_checks WHERE kind <> 'delay' ORDER BY window_end DESC LIMIT 1
), answer AS (
    SELECT p.at >= window_start AS is_recent,
           least(greatest(coalesce((p.probabilities ->> label)::double precision, 0), 1e-6), 1 - 1e-6) AS p
    FROM looked_at
    CROSS JOIN predictions AS p
    CROSS JOIN unnest(CAST(:labels AS text[])) AS label
    WHERE p.at >= window_start - (window_end - window_start) AND p.at < window_end
      AND p.task = :task AND p.mode = :mode AND p.version = :version
)
SELECT avg(-p * ln(p) - (1 - p) * ln(1 - p)) FILTER (WHERE is_recent)
       - avg(-p * ln(p) - (1 - p) * ln(1 - p)) FILTER (WHERE NOT is_recent)
FROM answer;

-- name: waiting(task, mode)
-- A dry run answers nobody, and is not waited for.
SELECT request::text AS request, source, actor, reason, requested_at,
       accepted_at IS NOT NULL OR state = 'taken' AS is_accepted
FROM retraining_requests
WHERE task = :task AND mode = :mode AND state <> 'done' AND NOT is_dry_run
ORDER BY requested_at, request;

-- name: record(at, task, mode, verdict, reason, findings, standing, request)!
INSERT INTO trigger_evaluations (evaluated_at, task, mode, verdict, reason, findings, standing, request)
VALUES (:at, :task, :mode, :verdict, :reason, CAST(:findings AS jsonb), CAST(:standing AS jsonb), CAST(:request AS uuid));

-- name: ask(request, task, mode, reason, priority, source, actor, start, end, is_dry_run)!
INSERT INTO retraining_requests (request, task, mode, reason, priority, source, actor, from_at, to_at, is_dry_run,
                                 accepted_at)
VALUES (CAST(:request AS uuid), :task, :mode, :reason, :priority, :source, :actor, :start, :end, :is_dry_run, now())
ON CONFLICT (request) DO NOTHING;

-- name: accept_open(task, mode)!
UPDATE retraining_requests SET accepted_at = now()
WHERE task = :task AND mode = :mode AND state = 'open' AND accepted_at IS NULL;

-- name: orders()
-- Accepted requests of one task, interval and kind are one order, the most urgent first.
SELECT task, mode, from_at AS start, to_at AS end, is_dry_run, string_agg(DISTINCT reason, '; ') AS reason
FROM retraining_requests
WHERE state <> 'done' AND (accepted_at IS NOT NULL OR state = 'taken')
GROUP BY task, mode, from_at, to_at, is_dry_run
ORDER BY min(array_position(ARRAY['high', 'normal', 'low'], priority)), min(requested_at), task, mode;

-- name: take(task, mode, start, end, is_dry_run, retraining)!
-- What was asked for before the rows are frozen, accepted or not, this retraining answers.
UPDATE retraining_requests
SET state = 'taken', taken_at = now(), attempts = attempts + 1, retraining = CAST(:retraining AS uuid)
WHERE task = :task AND mode = :mode AND state <> 'done' AND is_dry_run = :is_dry_run
  AND from_at IS NOT DISTINCT FROM :start AND to_at IS NOT DISTINCT FROM :end;

-- name: close(retraining, outcome)!
UPDATE retraining_requests SET state = 'done', done_at = now(), outcome = :outcome
WHERE retraining = CAST(:retraining AS uuid) AND state = 'taken';

-- name: count_due(now)$
-- What waits for its first run, and what a run took and did not finish: after an hour, and an hour later with each attempt.
SELECT count(*)
FROM retraining_requests
WHERE state = 'open' AND accepted_at IS NOT NULL
   OR state = 'taken' AND taken_at <= :now::timestamptz - least(attempts, 24) * interval '1 hour';

-- name: close_unknown(tasks)!
UPDATE retraining_requests SET state = 'done', done_at = now(), outcome = 'unknown_task'
WHERE state <> 'done' AND task || '.' || mode <> ALL (CAST(:tasks AS text[]));

-- name: newest_evaluations(limit)
-- Looks in a row that came to the same are one row: since when, until when, how many.
WITH told AS (
    SELECT *, row_number() OVER (PARTITION BY task, mode ORDER BY evaluated_at)
              - row_number() OVER (PARTITION BY task, mode, verdict ORDER BY evaluated_at) AS spell
    FROM trigger_evaluations
)
SELECT task, mode, verdict, min(evaluated_at) AS since, max(evaluated_at) AS until, count(*) AS looks,
       (array_agg(reason ORDER BY evaluated_at DESC))[1] AS reason,
       (array_agg(findings ORDER BY evaluated_at DESC))[1] AS findings
FROM told
GROUP BY task, mode, verdict, spell
ORDER BY max(evaluated_at) DESC, task, mode
LIMIT :limit;

-- name: newest_requests(limit)
SELECT request::text AS request, task, mode, source, actor, reason, priority, state, requested_at, accepted_at, taken_at,
       done_at, attempts, outcome, from_at, to_at, is_dry_run
FROM retraining_requests
ORDER BY state = 'done', requested_at DESC, request
LIMIT :limit;
