-- Takes the champion of a task out of service: decision, rollout and policy in one transaction.
-- to_version serves instead: one that was champion before, or 'caller' for nobody. Where it is null, the champion before
-- the last promotion, or nobody; a champion that a rollback put there is not rolled back further.
-- Returns {status, task, mode, from_version, to_version, decision_id, policy_n, reason}; status is rolled_back, unchanged
-- or refused, and only rolled_back has changed anything.
CREATE FUNCTION rollback_task(of_task text, of_mode text, to_version text, because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    serving record;
    target  record;
    made    uuid := gen_random_uuid();
    fault   text;
BEGIN
    -- The lock of a publication: none comes in between.
    PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(of_task || '.' || of_mode));
    SELECT r.version, r.digest, d.kind INTO serving
    FROM model_rollouts AS r JOIN decisions AS d USING (decision)
    WHERE r.task = of_task AND r.mode = of_mode AND r.state = 'champion' AND r.until IS NULL;

    SELECT past.version, past.digest, d.evidence -> 'trained_until' AS trained_until INTO target
    FROM model_rollouts AS past JOIN decisions AS d USING (decision)
    WHERE past.task = of_task AND past.mode = of_mode AND past.state = 'champion' AND past.until IS NOT NULL
      AND past.digest IS NOT NULL AND past.version IS DISTINCT FROM serving.version
      AND CASE WHEN to_version IS NULL THEN NOT EXISTS (
                   SELECT
                   FROM model_rollouts AS now_one
                   WHERE now_one.task = of_task AND now_one.mode = of_mode AND now_one.version = past.version
                     AND now_one.state = 'rolled_back' AND now_one.until IS NULL)
               ELSE past.version = to_version END
    ORDER BY past.until DESC, past.rollout DESC
    LIMIT 1;

    fault := CASE
        WHEN to_version = serving.version OR serving.version IS NULL AND to_version = 'caller' THEN 'it serves already'
        WHEN to_version IS NULL AND serving.version IS NULL THEN 'nobody but the caller serves'
        WHEN to_version IS NULL AND serving.kind = 'rollback'
            THEN serving.version || ' serves since a rollback; name a version, or caller, to go further back'
        WHEN to_version <> 'caller' AND target.version IS NULL
            THEN to_version || ' was never champion of this task; name one that was, or caller'
    END;
    IF fault IS NOT NULL THEN
        RETURN jsonb_build_object(
            'status', CASE WHEN to_version <> 'caller' AND to_version IS DISTINCT FROM serving.version THEN 'refused'
                           ELSE 'unchanged' END,
            'task', of_task, 'mode', of_mode, 'from_version', coalesce(serving.version, 'caller'),
            'to_version', coalesce(serving.version, 'caller'), 'decision_id', NULL, 'policy_n', NULL, 'reason', fault);
    END IF;

    -- trained_until goes along: who serves is judged by what it has learnt from.
    INSERT INTO decisions (decision, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, 'rollback', of_task, of_mode, coalesce(serving.version, 'caller'), 'ROLLBACK', because,
            jsonb_build_object('from', coalesce(serving.version, 'caller'), 'to', coalesce(target.version, 'caller'),
                               'trained_until', target.trained_until), by_actor);
    UPDATE model_rollouts SET until = now()
    WHERE task = of_task AND mode = of_mode AND until IS NULL
      AND (state = 'champion' OR version = target.version);
    INSERT INTO model_rollouts (task, mode, version, state, digest, decision)
    SELECT of_task, of_mode, serving.version, 'rolled_back', serving.digest, made
    WHERE serving.version IS NOT NULL;
    INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision)
    SELECT of_task, of_mode, target.version, 'champion', 1, target.digest, made
    WHERE target.version IS NOT NULL;
    RETURN jsonb_build_object(
        'status', 'rolled_back', 'task', of_task, 'mode', of_mode, 'from_version', coalesce(serving.version, 'caller'),
        'to_version', coalesce(target.version, 'caller'), 'decision_id', made, 'policy_n', publish_policy(),
        'reason', because);
END $$;

-- Retraining somebody asked for. request: the event that asked. A run takes what is open when it freezes its rows, and what
-- an earlier run took and did not finish; outcome is what the run came to.
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
    outcome      text
);
CREATE INDEX retraining_requests_waiting ON retraining_requests (task, mode) WHERE state <> 'done';

CREATE VIEW facade_conversations AS SELECT conversation_id, started_at, last_event_at FROM conversations;

CREATE VIEW facade_predictions AS
SELECT conversation_id, turn, task, mode, version, at, probabilities, labels, is_served FROM predictions;

CREATE VIEW facade_assignments AS SELECT conversation_id, experiment, arm, at FROM assignments;

-- Whole figures, no parts of them; revenue alone is kept per currency.
CREATE VIEW facade_metrics AS
SELECT hour, metric, task, mode, version, CASE WHEN slice = '' THEN '' ELSE split_part(slice, '=', 2) END AS currency,
       value, n
FROM metric_rollups
WHERE slice = '' OR metric = 'revenue';

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

CREATE VIEW facade_decisions AS
SELECT decision, decided_at, kind, task, mode, version, verdict, reason, actor FROM decisions;

CREATE VIEW facade_requests AS
SELECT request, task, mode, reason, priority, state, requested_at FROM retraining_requests;

REVOKE ALL ON FUNCTION rollback_task(text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rollback_task(text, text, text, text, text) TO ml_capture, ml_jobs, ml_dashboards;
GRANT SELECT ON facade_assignments, facade_conversations, facade_decisions, facade_drift, facade_errors, facade_experiments,
    facade_metrics, facade_patterns, facade_predictions, facade_requests, facade_rollouts TO ml_capture;
GRANT SELECT ON retraining_requests, facade_assignments, facade_conversations, facade_decisions, facade_drift, facade_errors, facade_experiments,
    facade_metrics, facade_patterns, facade_predictions, facade_requests, facade_rollouts TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE ON retraining_requests TO ml_jobs;
