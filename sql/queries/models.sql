-- What models learn from, and the records of who was judged and who serves.

-- name: lock_task(name)$
-- One publication of a task at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(:name))::text;

-- name: labelled_conversations(task, with_derived)
-- Conversations of which something is known about the task, oldest first. is_trusted: every hour its truth came from is.
-- with_derived: by derived labels too.
SELECT c.conversation_id::text AS conversation_id, coalesce(c.customer_key, c.conversation_id::text) AS customer_group,
       c.started_at, c.last_event_at, known.is_trusted
FROM conversations AS c
JOIN (SELECT l.conversation_id, bool_and(t.hour IS NOT NULL) AS is_trusted
      FROM current_labels AS l
      LEFT JOIN trusted_hours AS t ON t.hour = date_trunc('hour', l.at, 'UTC')
      WHERE l.task = :task AND (l.source <> 'derived' OR :with_derived)
      GROUP BY l.conversation_id) AS known USING (conversation_id)
ORDER BY c.started_at, c.conversation_id;

-- name: conversations(ids)
-- These conversations, oldest first.
SELECT conversation_id::text AS conversation_id, coalesce(customer_key, conversation_id::text) AS customer_group,
       started_at, last_event_at, true AS is_trusted
FROM conversations
WHERE conversation_id = ANY (CAST(:ids AS uuid[]))
ORDER BY started_at, conversation_id;

-- name: spoken(ids, from_at, to_at, revision)
-- Grain: one row per turn, with the context its earliest prediction saw (all versions of a turn see the same), and the
-- digest of the features where this revision made them.
WITH seen AS (
    SELECT DISTINCT ON (conversation_id, turn) conversation_id, turn, context,
           CASE WHEN feature_revision = :revision THEN feature_digest END AS stored_digest
    FROM predictions
    WHERE conversation_id = ANY (CAST(:ids AS uuid[])) AND at >= :from_at AND at < :to_at
    ORDER BY conversation_id, turn, feature_revision = :revision DESC NULLS LAST, at, event_id
)
SELECT t.conversation_id::text AS conversation_id, t.turn, t.role, t.content, h.hour IS NOT NULL AS is_trusted,
       coalesce(seen.context, '{}') AS context, seen.stored_digest
FROM turns AS t
LEFT JOIN seen USING (conversation_id, turn)
LEFT JOIN trusted_hours AS h ON h.hour = date_trunc('hour', t.at, 'UTC')
WHERE t.conversation_id = ANY (CAST(:ids AS uuid[])) AND t.at >= :from_at AND t.at < :to_at
ORDER BY t.conversation_id, t.turn;

-- name: truths(ids, from_at, to_at, tasks, task, mode, with_derived)
-- Grain: one row per turn whose truth is known; turn is null where it holds for the conversation.
SELECT conversation_id::text AS conversation_id, turn, labels, label_source, learnt_at
FROM conversation_truths(CAST(:ids AS uuid[]), :from_at, :to_at, CAST(:tasks AS jsonb))
WHERE task = :task AND mode = :mode AND (label_source <> 'derived' OR :with_derived);

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

-- name: champions()
-- Who is champion of each task, and who was before; previous is null for a first one.
SELECT now_one.task, now_one.mode, now_one.version,
       (SELECT past.version FROM model_rollouts AS past
        WHERE past.task = now_one.task AND past.mode = now_one.mode AND past.state = 'champion'
          AND past.until IS NOT NULL AND past.version <> now_one.version
        ORDER BY past.until DESC LIMIT 1) AS previous
FROM model_rollouts AS now_one
WHERE now_one.state = 'champion' AND now_one.until IS NULL
ORDER BY now_one.task, now_one.mode;

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

-- name: is_version_known(version)$
SELECT EXISTS (SELECT FROM decisions WHERE kind = 'gate' AND version = :version);

-- name: record_decision(task, mode, version, verdict, reason, evidence, actor)$
INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)
VALUES ('gate', :task, :mode, :version, :verdict, :reason, CAST(:evidence AS jsonb), :actor)
RETURNING decision::text;

-- name: save_bundle(digest, task, mode, version, content)!
INSERT INTO model_bundles (digest, task, mode, version, content)
VALUES (:digest, :task, :mode, :version, :content)
ON CONFLICT (digest) DO NOTHING;

-- name: retire_champion(task, mode, decision)!
-- The champion's time ends; it is retired from now on.
WITH ended AS (
    UPDATE model_rollouts SET until = now()
    WHERE task = :task AND mode = :mode AND state = 'champion' AND until IS NULL
    RETURNING task, mode, version, digest
)
INSERT INTO model_rollouts (task, mode, version, state, digest, decision)
SELECT task, mode, version, 'retired', digest, CAST(:decision AS uuid) FROM ended;

-- name: enter_state(task, mode, version, state, traffic_share, digest, decision)!
INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision)
VALUES (:task, :mode, :version, :state, :traffic_share, :digest, CAST(:decision AS uuid));

-- name: publish_policy()$
SELECT publish_policy();

-- name: take_requests(task, mode)!
-- What was asked for before the rows are frozen, the run at hand answers. What an earlier run left unfinished is taken over.
UPDATE retraining_requests SET state = 'taken', taken_at = now()
WHERE task = :task AND mode = :mode AND state <> 'done';

-- name: close_requests(task, mode, outcome)!
UPDATE retraining_requests SET state = 'done', done_at = now(), outcome = :outcome
WHERE task = :task AND mode = :mode AND state = 'taken';
