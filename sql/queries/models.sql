-- What models learn from, and the records of who was judged and who serves.

-- name: lock_task(name)$
-- One publication of a task at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(:name))::text;

-- name: known_until()$
-- Until when everything that was learnt is in the facts: before the oldest event that waits for its projection. A minute
-- ago, for a batch that is being stored has the time it began.
SELECT least(now() - interval '1 minute', min(created_at) - interval '1 microsecond') FROM log_ledger;

-- name: trusted_spans()
-- The hours that may be read, neighbours joined.
SELECT lower(span) AS start, upper(span) AS end
FROM unnest((SELECT range_agg(tstzrange(hour, hour + interval '1 hour')) FROM trusted_hours)) AS span
ORDER BY span;

-- name: started_between(until)^
-- When the first and the last conversation began that had begun by then; null without any.
SELECT min(started_at) AS first, max(started_at) AS last FROM conversations WHERE started_at <= :until;

-- name: closed_conversations(task, labels, with_derived, from_at, to_at, as_of, window_days, is_from_start)
-- Conversations with a known truth whose window had closed, in the order of their starts: when it closed, and how many
-- of their labels name one of the task, how many none.
SELECT c.started_at, closed_at, known.positives, known.negatives
FROM conversations AS c
JOIN (SELECT conversation_id, count(*) FILTER (WHERE l.labels && CAST(:labels AS text[])) AS positives,
             count(*) FILTER (WHERE NOT l.labels && CAST(:labels AS text[])) AS negatives
      FROM labels_as_of(:as_of) AS l
      WHERE l.task = :task AND (l.source <> 'derived' OR :with_derived)
      GROUP BY conversation_id) AS known USING (conversation_id)
LEFT JOIN (SELECT conversation_id, max(at) AS at
           FROM turns
           WHERE NOT :is_from_start AND at >= :from_at AND at <= :as_of
           GROUP BY conversation_id) AS last_turn USING (conversation_id)
CROSS JOIN LATERAL (SELECT coalesce(last_turn.at, c.started_at) + :window_days * interval '1 day' AS closed_at) AS closing
WHERE c.started_at >= :from_at AND c.started_at < :to_at AND closed_at <= :as_of
ORDER BY c.started_at, c.conversation_id;

-- name: labelled_conversations(task, with_derived, from_at, to_at, as_of, window_days, is_from_start, trusted, seen_by)
-- Conversations of which something was known about the task at `as_of`, and whose window had closed by then, oldest first.
--   is_trusted       every hour its truth came from is among `trusted`
--   is_seen_before   by `seen_by` something was known of an earlier conversation of the same customer
--   arms             {experiment: [arm, propensity]}
-- with_derived: by derived labels too. A turn that follows `as_of` keeps no window open.
SELECT c.conversation_id::text AS conversation_id, coalesce(c.customer_key, c.conversation_id::text) AS customer_group,
       c.started_at, c.last_event_at, known.is_trusted,
       coalesce(c.customer_key IN (
           SELECT e.customer_key
           FROM conversations AS e
           WHERE e.started_at < :seen_by AND e.customer_key IS NOT NULL
             AND e.conversation_id IN (SELECT l.conversation_id FROM outcome_ledger AS l WHERE l.learnt_at <= :seen_by)
       ), false) AS is_seen_before,
       coalesce(drawn.arms, '{}') AS arms
FROM conversations AS c
JOIN (SELECT l.conversation_id, bool_and(l.at <@ CAST(:trusted AS tstzmultirange)) AS is_trusted
      FROM labels_as_of(:as_of) AS l
      WHERE l.task = :task AND (l.source <> 'derived' OR :with_derived)
      GROUP BY l.conversation_id) AS known USING (conversation_id)
LEFT JOIN (SELECT conversation_id, jsonb_object_agg(experiment, jsonb_build_array(arm, propensity)) AS arms
           FROM assignments
           WHERE at <= :as_of
           GROUP BY conversation_id) AS drawn USING (conversation_id)
WHERE c.started_at >= :from_at AND c.started_at < :to_at AND c.started_at <= :as_of - :window_days * interval '1 day'
  AND (:is_from_start OR NOT EXISTS (
          SELECT
          FROM turns AS t
          WHERE t.conversation_id = c.conversation_id
            AND t.at > :as_of - :window_days * interval '1 day' AND t.at <= :as_of))
ORDER BY c.started_at, c.conversation_id;

-- name: conversations(ids)
-- These conversations, oldest first.
SELECT conversation_id::text AS conversation_id, coalesce(customer_key, conversation_id::text) AS customer_group,
       started_at, last_event_at, true AS is_trusted, false AS is_seen_before, CAST('{}' AS jsonb) AS arms
FROM conversations
WHERE conversation_id = ANY (CAST(:ids AS uuid[]))
ORDER BY started_at, conversation_id;

-- name: spoken(ids, from_at, to_at, revision, trusted)
-- Grain: one row per conversation; turns: [[turn, role, content, is_trusted, context, stored_digest]], in order, as text.
-- context is what the earliest prediction of the turn saw; all that are made with it see the same. stored_digest names the
-- features of the earliest that this revision made.
WITH seen AS (
    SELECT DISTINCT ON (conversation_id, turn) conversation_id, turn, context,
           first_value(feature_digest) OVER (PARTITION BY conversation_id, turn
                                             ORDER BY feature_revision = :revision DESC NULLS LAST, at, event_id) AS digest,
           bool_or(feature_revision = :revision) OVER (PARTITION BY conversation_id, turn) AS is_of_revision
    FROM predictions
    WHERE conversation_id = ANY (CAST(:ids AS uuid[])) AND at >= :from_at AND at < :to_at
    ORDER BY conversation_id, turn, at, event_id
)
SELECT t.conversation_id::text AS conversation_id,
       json_agg(json_build_array(t.turn, t.role, t.content, t.at <@ CAST(:trusted AS tstzmultirange),
                                 coalesce(seen.context, '{}'),
                                 CASE WHEN is_of_revision THEN digest END) ORDER BY t.turn)::text AS turns
FROM turns AS t
LEFT JOIN seen USING (conversation_id, turn)
WHERE t.conversation_id = ANY (CAST(:ids AS uuid[])) AND t.at >= :from_at AND t.at < :to_at
GROUP BY t.conversation_id;

-- name: truths(ids, from_at, to_at, tasks, task, mode, with_derived, as_of)
-- Grain: one row per conversation; truths: [[turn, labels, label_source, learnt_at]] of the turns whose truth was known, as
-- text; turn is null where it holds for the conversation.
SELECT conversation_id::text AS conversation_id,
       json_agg(json_build_array(turn, labels, label_source, learnt_at))::text AS truths
FROM conversation_truths(CAST(:ids AS uuid[]), :from_at, :to_at, CAST(:tasks AS jsonb), :as_of)
WHERE task = :task AND mode = :mode AND (label_source <> 'derived' OR :with_derived)
GROUP BY conversation_id;

-- name: answers(ids, task, mode, version, from_at, to_at)
-- What a version answered, per turn.
SELECT conversation_id::text AS conversation_id, turn, probabilities
FROM predictions
WHERE conversation_id = ANY (CAST(:ids AS uuid[])) AND at >= :from_at AND at < :to_at
  AND task = :task AND mode = :mode AND version = :version;

-- name: champion(task, mode)^
-- Who is champion, its bundle, and when the conversations it learnt from end; no row where nobody is.
SELECT r.version, r.digest, b.content, (d.evidence ->> 'trained_until')::timestamptz AS trained_until
FROM model_rollouts AS r
JOIN decisions AS d USING (decision)
LEFT JOIN model_bundles AS b USING (digest)
WHERE r.task = :task AND r.mode = :mode AND r.state = 'champion' AND r.until IS NULL;

-- name: latest_gate(task, mode)^
-- The latest judgement of a task.
SELECT decided_at, version, verdict, reason, evidence
FROM decisions
WHERE kind = 'gate' AND task = :task AND mode = :mode
ORDER BY decided_at DESC
LIMIT 1;

-- name: latest_gates()
-- The latest judgement of every task.
SELECT DISTINCT ON (task, mode) task, mode, decided_at, version, verdict, reason, evidence
FROM decisions
WHERE kind = 'gate'
ORDER BY task, mode, decided_at DESC;

-- name: errors_spent(task, mode)
-- What each gate of a task spent that tested something, the newest first.
SELECT (evidence -> 'budget' ->> 'alpha')::float8 AS alpha
FROM decisions
WHERE kind = 'gate' AND task = :task AND mode = :mode AND (evidence -> 'budget' ->> 'alpha')::float8 > 0
ORDER BY decided_at DESC, decision;

-- name: serving_mix(ids, task, mode, from_at, to_at)
-- In how many of these conversations each version's answers went back to the agent.
SELECT version, count(DISTINCT conversation_id) AS conversations
FROM predictions
WHERE conversation_id = ANY (CAST(:ids AS uuid[])) AND at >= :from_at AND at < :to_at
  AND task = :task AND mode = :mode AND is_served
GROUP BY version
ORDER BY version;

-- name: is_version_known(version)$
SELECT EXISTS (SELECT FROM decisions WHERE kind = 'gate' AND version = :version);

-- name: record_decision(task, mode, version, verdict, reason, evidence, actor)$
INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)
VALUES ('gate', :task, :mode, :version, :verdict, :reason, CAST(:evidence AS jsonb), :actor)
RETURNING decision::text;

-- name: record_refusal(task, mode, reason, evidence, actor)!
-- A model file or evidence that is not what was put into the registry; an alert rule counts these.
INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)
VALUES ('artifact', :task, :mode, '', 'REFUSED', :reason, CAST(:evidence AS jsonb), :actor);

-- name: save_bundle(digest, task, mode, version, content)!
INSERT INTO model_bundles (digest, task, mode, version, content)
VALUES (:digest, :task, :mode, :version, :content)
ON CONFLICT (digest) DO NOTHING;

-- name: enter_state(task, mode, version, state, traffic_share, digest, decision)!
INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision)
VALUES (:task, :mode, :version, :state, :traffic_share, :digest, CAST(:decision AS uuid));
