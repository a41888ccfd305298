-- What the records say of a turn, a version, a moment. Read-only; decisions, states and policies are never rewritten.

-- name: turn_of(id, from_at, to_at)^
-- The turn that an event id of a prediction, or the tracking id of an answer, belongs to. The id tells its time.
SELECT conversation_id::text AS conversation_id, turn
FROM (SELECT conversation_id, turn
      FROM predictions
      WHERE event_id = CAST(:id AS uuid) AND at >= :from_at AND at < :to_at
      UNION ALL
      SELECT conversation_id, (data ->> 'turn')::integer
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:from_at) AND id < uuid_floor(:to_at) AND event_type = 'prediction'
        AND (id = CAST(:id AS uuid) OR data ->> 'tracking_id' = :id)) AS found
LIMIT 1;

-- name: conversation(conversation_id)^
SELECT conversation_id::text AS conversation_id, client_id, started_at, last_event_at
FROM conversations
WHERE conversation_id = CAST(:conversation_id AS uuid);

-- name: answers(conversation_id, turn, from_at, to_at)
-- Every version's answer to a turn. flag: why it stood in for the model that should have answered; null, like stored_at,
-- where the log has the event no more. thresholds: of its gate.
SELECT p.task, p.mode, p.version, p.at, p.probabilities, p.labels, p.is_served, p.latency_ms, p.feature_revision,
       p.feature_digest, p.context, p.event_id::text AS event_id, p.propensity, p.policy_epoch AS epoch, p.policy_n AS n,
       e.data ->> 'flag' AS flag, e.created_at AS stored_at,
       (SELECT d.evidence -> 'thresholds'
        FROM decisions AS d
        WHERE d.kind = 'gate' AND d.version = p.version
        ORDER BY d.decided_at LIMIT 1) AS thresholds
FROM predictions AS p
LEFT JOIN ml_tracking_events AS e
  ON e.id = p.event_id AND e.id >= uuid_floor(:from_at) AND e.id < uuid_floor(:to_at)
WHERE p.conversation_id = CAST(:conversation_id AS uuid) AND p.turn = :turn AND p.at >= :from_at AND p.at < :to_at
ORDER BY p.task, p.mode, p.is_served DESC, p.version;

-- name: failures(conversation_id, turn, from_at, to_at)
-- What the agent sent in place of a prediction; task is null where it was for all of them.
SELECT timestamp AS at, data ->> 'task' AS task, coalesce(data ->> 'error', 'fallback') AS error
FROM ml_tracking_events
WHERE conversation_id = CAST(:conversation_id AS uuid) AND id >= uuid_floor(:from_at) AND id < uuid_floor(:to_at)
  AND event_type = 'prediction' AND data ->> 'turn' = CAST(:turn AS text)
  AND (data ->> 'error' IS NOT NULL OR data ->> 'is_fallback' = 'true')
ORDER BY id;

-- name: policy(epoch, n)^
SELECT epoch, n, published_at, document -> 'models' AS models, document -> 'switches' AS switches
FROM policy_snapshots
WHERE epoch = :epoch AND n = :n;

-- name: arms(conversation_id)
SELECT experiment, arm, propensity, reason, unit, at
FROM assignments
WHERE conversation_id = CAST(:conversation_id AS uuid)
ORDER BY experiment;

-- name: truths(conversation_id, turn, from_at, to_at, tasks)
-- What turned out to be true of a turn by now, as far as it is known.
SELECT task, mode, labels, label_source AS source, learnt_at
FROM conversation_truths(ARRAY[CAST(:conversation_id AS uuid)], :from_at, :to_at, CAST(:tasks AS jsonb))
WHERE coalesce(turn, :turn) = :turn;

-- name: agent_troubles(from_at, to_at)
-- Why agents could not run what the policy names, lately before an answer; the latest first.
SELECT timestamp AS at, data ->> 'reason' AS reason
FROM ml_tracking_events
WHERE id >= uuid_floor(:from_at) AND id < uuid_floor(:to_at) AND event_type = 'error' AND data ->> 'where' = 'policy'
ORDER BY id DESC
LIMIT 1;

-- name: decisions_about(version)
-- Everything decided of a version, and what it became by that or by a decision about another, in order.
SELECT d.decision::text AS decision, d.decided_at, d.kind, d.version AS about, d.verdict, d.reason, d.actor, d.evidence,
       r.state, r.traffic_share AS share
FROM decisions AS d
LEFT JOIN model_rollouts AS r ON r.decision = d.decision AND r.version = :version
WHERE d.version = :version OR r.version = :version
ORDER BY d.decided_at, r.rollout;

-- name: holds(version)^
-- What a version is now.
SELECT r.task, r.mode, r.state, r.traffic_share AS share, r.since, d.reason, d.actor
FROM model_rollouts AS r JOIN decisions AS d USING (decision)
WHERE r.version = :version AND r.until IS NULL;

-- name: approvals_of(version)
SELECT step, headline, asked_at, answer_by, answered_at, is_granted, actor, reason
FROM approvals
WHERE version = :version
ORDER BY asked_at;

-- name: bundle_of(version)^
SELECT digest, created_at, octet_length(content) AS bytes
FROM model_bundles
WHERE version = :version
ORDER BY created_at DESC
LIMIT 1;

-- name: begins()$
-- When the record begins: the first verdict, or the first state.
SELECT least((SELECT min(decided_at) FROM decisions WHERE kind = 'gate'), (SELECT min(since) FROM model_rollouts));

-- name: held_at(at, task)
-- What versions were at a moment; task '': of all tasks.
SELECT r.task, r.mode, r.version, r.state, r.traffic_share AS share, r.since, r.until, r.digest, d.actor, d.reason
FROM model_rollouts AS r JOIN decisions AS d USING (decision)
WHERE r.since <= :at AND (r.until IS NULL OR r.until > :at)
  AND :task IN ('', r.task, r.task || '.' || r.mode)
  AND r.state NOT IN ('retired', 'rejected')
ORDER BY r.task, r.mode, array_position(ARRAY['champion', 'holdback', 'canary', 'shadow', 'candidate', 'rolled_back'], r.state),
         r.since;

-- name: tasks_at(at, task)
-- Tasks of which a model had been judged or held anything by then; task '': all.
SELECT task, mode
FROM (SELECT task, mode FROM decisions WHERE kind = 'gate' AND decided_at <= :at
      UNION
      SELECT task, mode FROM model_rollouts WHERE since <= :at) AS known
WHERE :task IN ('', task, task || '.' || mode)
ORDER BY task, mode;

-- name: policy_at(at)^
-- The policy that had been published last.
SELECT epoch, n, published_at FROM policy_snapshots WHERE published_at <= :at ORDER BY published_at DESC, epoch DESC, n DESC LIMIT 1;

-- name: switched_off_at(at)
SELECT name, subject, actor, reason, set_at
FROM (SELECT DISTINCT ON (name, subject) * FROM kill_switches WHERE set_at <= :at ORDER BY name, subject, act DESC) AS latest
WHERE is_on
ORDER BY name, subject;
