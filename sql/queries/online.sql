-- Statements of the online module. It runs as ml_capture: the door, the policy, bundles and the facade's views.

-- name: append_events(batch)$
-- Idempotent: a batch sent again stores nothing and moves no counter.
SELECT append_events(:batch);

-- name: reject_event(writer, sequence, reason, line)$
SELECT reject_event(:writer, :sequence, :reason, :line);

-- name: skip_records(writer, through, kind)$
SELECT skip_records(:writer, :through, :kind);

-- name: report_writer(writer, offered, refused, claimed, is_gone)$
SELECT report_writer(:writer, :offered, :refused, :claimed, :is_gone);

-- name: changed_policy(epoch, n, most_bytes)^
-- No row where it is the one at (epoch, n). A document larger than an agent reads is not even sent.
SELECT epoch, n, bytes, CASE WHEN bytes <= :most_bytes THEN document::text END AS document
FROM (SELECT epoch, n, document, octet_length(document::text) AS bytes
      FROM policy
      WHERE (epoch, n) IS DISTINCT FROM (:epoch::integer, :n::bigint)) AS changed;

-- name: listen_to_policy()!
LISTEN policy;

-- name: bundle_piece(digest, start, size)$
-- In pieces, for a driver that holds its process while it reads a value. ``start`` counts from 1.
SELECT substring(content FROM :start FOR :size) FROM model_bundles WHERE digest = :digest;

-- name: event_stream(conversation_id, event_types, since, most)
-- Newest first. Bounded by id, which prunes partitions; a bound on timestamp would not.
SELECT id, conversation_id, event_type, event_category, timestamp, data, client_id
FROM facade_events
WHERE id >= uuid_floor(:since)
    AND (:conversation_id::uuid IS NULL OR conversation_id = :conversation_id::uuid)
    AND (:event_types::text[] IS NULL OR event_type = ANY (:event_types::text[]))
ORDER BY id DESC
LIMIT :most;

-- name: writers(ids)
-- What became of the records of these writers; of every writer where ids is null.
SELECT writer::text, offered, refused, accepted_sequence, shipped_sequence, stored, duplicate, rejected, quarantined,
       dropped, missing, reported_at
FROM facade_writers
WHERE :ids::uuid[] IS NULL OR writer = ANY (:ids::uuid[])
ORDER BY first_seen, writer;

-- name: all_writers()^
-- The sum over every writer.
SELECT coalesce(sum(offered), 0)::bigint AS offered,
       (SELECT coalesce(jsonb_object_agg(reason, calls), '{}')
        FROM (SELECT reason, sum(calls::bigint) AS calls
              FROM facade_writers CROSS JOIN jsonb_each_text(refused) AS r(reason, calls)
              GROUP BY reason) AS by_reason) AS refused,
       coalesce(sum(accepted_sequence), 0)::bigint AS accepted,
       coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(duplicate), 0)::bigint AS duplicate,
       coalesce(sum(rejected), 0)::bigint AS rejected, coalesce(sum(quarantined), 0)::bigint AS quarantined,
       coalesce(sum(dropped), 0)::bigint AS dropped, coalesce(sum(spooled), 0)::bigint AS spooled,
       coalesce(sum(missing), 0)::bigint AS missing
FROM facade_writers;

-- What the agent may ask for. Each statement is bounded in rows; `tasks` null asks for every task.

-- name: drift_counts(since)
-- What was checked since then, by kind and severity.
SELECT kind, severity, count(*) AS checks, count(*) FILTER (WHERE has_drifted) AS drifted,
       max(checked_at) AS last_checked_at
FROM facade_drift
WHERE checked_at >= :since
GROUP BY kind, severity
ORDER BY kind, severity;

-- name: drift_findings(since, most)
SELECT kind, subject, severity, headline, psi, test, p_value, window_start, window_end, checked_at
FROM facade_drift
WHERE checked_at >= :since AND has_drifted
ORDER BY checked_at DESC, severity, kind, subject
LIMIT :most;

-- name: metric_totals(tasks, since, until)
-- Hours merge as sum(value * n) / sum(n), the first one whole; exact percentiles do not merge and are read per hour. Of
-- money, an hour without a row of a currency counts with 0: the row without a currency is in all hours.
SELECT task, mode, version, metric, currency, total / n AS value, n
FROM (SELECT task, mode, version, metric, currency, sum(value * n) AS total,
             (max(sum(n)) OVER (PARTITION BY task, mode, version, metric))::bigint AS n
      FROM facade_metrics
      WHERE hour >= date_trunc('hour', :since::timestamptz, 'UTC') AND hour < :until AND n > 0
        AND NOT starts_with(metric, 'latency_p')
        AND (:tasks::text[] IS NULL OR task = ANY (:tasks::text[]))
      GROUP BY task, mode, version, metric, currency) AS merged
WHERE currency <> '' OR total <> 0 OR metric NOT IN ('revenue', 'net_revenue')
ORDER BY task, mode, version, metric, currency
LIMIT 5000;

-- name: metric_hours(metric, tasks, since, until, most)
-- The newest first.
SELECT hour, task, mode, version, currency, value, n
FROM facade_metrics
WHERE metric = :metric AND hour >= date_trunc('hour', :since::timestamptz, 'UTC') AND hour < :until
  AND (:tasks::text[] IS NULL OR task = ANY (:tasks::text[]))
ORDER BY hour DESC, task, mode, version, currency
LIMIT :most;

-- name: serving(tasks, most)
-- Who runs now, champions first.
SELECT task, mode, version, state, traffic_share, since
FROM facade_rollouts
WHERE until IS NULL AND state IN ('champion', 'canary', 'holdback', 'shadow')
  AND (:tasks::text[] IS NULL OR task = ANY (:tasks::text[]))
ORDER BY task, mode, array_position(ARRAY['champion', 'canary', 'holdback', 'shadow'], state), version
LIMIT :most;

-- name: experiments(experiment, most)
SELECT id, name, experiment_type, status, config, metrics, results, created_at, completed_at
FROM facade_experiments
WHERE :experiment::text IS NULL OR name = :experiment::text
ORDER BY created_at DESC, id
LIMIT :most;

-- name: error_kinds(tasks, since, until)
SELECT kind, count(*) AS errors, max(at) AS last_at
FROM facade_errors
WHERE at >= :since AND at < :until AND (:tasks::text[] IS NULL OR task = ANY (:tasks::text[]))
GROUP BY kind
ORDER BY kind;

-- name: error_labels(tasks, since, until, most)
-- Where the errors are, the most first.
SELECT mode, version, kind, label, count(*) AS errors, avg(loss) AS mean_loss, max(at) AS last_at
FROM facade_errors
WHERE at >= :since AND at < :until AND task = ANY (:tasks::text[])
GROUP BY mode, version, kind, label
ORDER BY errors DESC, version, kind, label
LIMIT :most;

-- name: pattern_types(since, until, most)
SELECT pattern_type, count(*) AS patterns, sum(occurrences)::bigint AS occurrences
FROM facade_patterns
WHERE last_seen >= :since AND last_seen < :until
GROUP BY pattern_type
ORDER BY patterns DESC, pattern_type
LIMIT :most;

-- name: patterns(since, until, most)
-- The most frequent first.
SELECT pattern_type, pattern_data, confidence, occurrences, first_seen, last_seen, first_seen >= :since AS is_new
FROM facade_patterns
WHERE last_seen >= :since AND last_seen < :until
ORDER BY occurrences DESC, last_seen DESC, id
LIMIT :most;

-- name: request_counts()
SELECT state, count(*) AS requests FROM facade_requests GROUP BY state;

-- name: open_requests(most)
SELECT request AS request_id, task, mode, reason, priority, state, requested_at
FROM facade_requests
WHERE state <> 'done'
ORDER BY requested_at, request
LIMIT :most;

-- name: latest_decisions(most)
SELECT decided_at, kind, task, mode, version, verdict, reason, actor
FROM facade_decisions
ORDER BY decided_at DESC, decision
LIMIT :most;

-- name: conversation_span(conversation_id)
-- Its time, a day around it: bounds the partitions that the next two open.
SELECT started_at - interval '1 day' AS low, last_event_at + interval '1 day' AS high
FROM facade_conversations
WHERE conversation_id = :conversation_id::uuid;

-- name: conversation_answers(conversation_id, low, high)
-- What was served last, per task.
SELECT DISTINCT ON (task) task, version, probabilities, labels
FROM facade_predictions
WHERE conversation_id = :conversation_id::uuid AND is_served AND at >= :low AND at < :high
ORDER BY task, turn DESC, mode;

-- name: conversation_actions(conversation_id, low, high)
-- What the caller recommended last.
SELECT data #> '{rest,recommended_actions}' AS actions
FROM facade_events
WHERE conversation_id = :conversation_id::uuid AND event_type = 'answer'
  AND id >= uuid_floor(:low::timestamptz) AND id < uuid_floor(:high::timestamptz)
  AND jsonb_typeof(data #> '{rest,recommended_actions}') = 'array'
ORDER BY id DESC
LIMIT 1;

-- name: conversation_arms(conversation_id, most)
-- Of experiments: which version a rollout drew is in served_by.
SELECT experiment, arm
FROM facade_assignments
WHERE conversation_id = :conversation_id::uuid AND NOT starts_with(experiment, 'rollout ')
ORDER BY experiment
LIMIT :most;

-- name: rollback_task(task, mode, to_version)$
SELECT rollback_task(:task, :mode, :to_version::text, 'the agent asked for it', 'agent');
