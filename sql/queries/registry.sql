-- What MLflow's aliases should say and were made to say, and which registered versions retention lets go.

-- name: lock()$
-- One mirror at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('mirror_registry'))::text;

-- name: wanted()
-- Per registered model the versions that hold what an alias stands for; previous: who was champion before who is now.
SELECT r.task || '.' || r.mode AS model,
       max(r.version) FILTER (WHERE r.until IS NULL AND r.state = 'champion') AS champion,
       max(r.version) FILTER (WHERE r.until IS NULL AND r.state IN ('shadow', 'canary')) AS challenger,
       max(r.version) FILTER (WHERE r.until IS NULL AND r.state = 'holdback') AS holdback,
       (SELECT past.version
        FROM model_rollouts AS past
        WHERE past.task = r.task AND past.mode = r.mode AND past.state = 'champion' AND past.until IS NOT NULL
          AND past.version IS DISTINCT FROM max(r.version) FILTER (WHERE r.until IS NULL AND r.state = 'champion')
        ORDER BY past.until DESC, past.rollout DESC
        LIMIT 1) AS previous
FROM model_rollouts AS r
GROUP BY r.task, r.mode
ORDER BY model;

-- name: ours(model)
SELECT alias, CASE WHEN is_setting THEN ARRAY[number, setting] ELSE ARRAY[number] END AS names, mirrored_at
FROM registry_aliases
WHERE model = :model;

-- name: begin_setting(model, alias, number)!
-- Before MLflow is asked: cut off after that, what it names is still known to be ours.
INSERT INTO registry_aliases (model, alias, setting, is_setting) VALUES (:model, :alias, :number, true)
ON CONFLICT (model, alias) DO UPDATE SET setting = excluded.setting, is_setting = true;

-- name: remember(model, alias, number)!
INSERT INTO registry_aliases (model, alias, number) VALUES (:model, :alias, :number)
ON CONFLICT (model, alias) DO UPDATE SET number = excluded.number, setting = NULL, is_setting = false, mirrored_at = now();

-- name: record_moved(decision, task, mode, version, verdict, reason, evidence, actor)!
-- An alert rule counts these.
INSERT INTO decisions (decision, kind, task, mode, version, verdict, reason, evidence, actor)
VALUES (CAST(:decision AS uuid), 'alias', :task, :mode, :version, :verdict, :reason, CAST(:evidence AS jsonb), :actor)
ON CONFLICT (decision) DO NOTHING;

-- name: due(before, keep_newest)
SELECT due.version, due.last_at,
       (SELECT coalesce(sum(octet_length(b.content)), 0)::bigint FROM model_bundles AS b WHERE b.version = due.version) AS bytes
FROM due_versions(:before, CAST(:keep_newest AS integer)) AS due
ORDER BY due.task, due.mode, due.last_at;

-- name: delete_due(before, keep_newest, because, actor)$
SELECT delete_due_versions(:before, CAST(:keep_newest AS integer), :because, :actor);

-- name: deleted()
SELECT version FROM decisions WHERE kind = 'retention' ORDER BY decided_at;
