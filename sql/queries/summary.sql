-- name: captured_conversations(source)
-- Conversations of a source whose outcome is in the log: complete, not to be replayed again.
SELECT DISTINCT c.conversation_id::text AS conversation_id
FROM conversations AS c
JOIN outcomes AS o USING (conversation_id)
WHERE c.source = :source;

-- name: other_sources(source)
-- Sources other than this one that the database holds conversations of.
SELECT source, count(*) AS conversations
FROM conversations
WHERE source <> :source
GROUP BY source
ORDER BY source;

-- name: facts_of(source)^
-- How much of a source went round: conversations, turns, predictions, outcomes.
WITH ours AS (
    SELECT conversation_id FROM conversations WHERE source = :source
), recorded AS (
    SELECT o.conversation_id,
           EXISTS (SELECT FROM predictions AS p WHERE p.conversation_id = o.conversation_id) AS is_matched
    FROM current_outcomes AS o JOIN ours USING (conversation_id)
)
SELECT (SELECT count(*) FROM ours) AS conversations,
       (SELECT count(*) FROM turns JOIN ours USING (conversation_id)) AS turns,
       (SELECT count(*) FROM predictions JOIN ours USING (conversation_id)) AS predictions,
       count(*) AS outcomes_recorded,
       count(*) FILTER (WHERE is_matched) AS outcomes_matched,
       count(*) FILTER (WHERE NOT is_matched) AS outcomes_unmatched
FROM recorded;

-- name: conservation()^
-- The fate of every accepted record, over all writers.
SELECT coalesce(sum(accepted_sequence), 0)::bigint AS accepted,
       coalesce(sum(stored), 0)::bigint AS stored,
       coalesce(sum(duplicate), 0)::bigint AS duplicate,
       coalesce(sum(rejected + quarantined + dropped), 0)::bigint AS rejected,
       coalesce(sum(accepted_sequence - stored - duplicate - rejected - quarantined - dropped), 0)::bigint AS spooled
FROM capture_writers;

-- name: quality()^
-- Hours by state, and the checks of the latest judgement of each table that failed.
SELECT count(*) FILTER (WHERE state IN ('trusted', 'released')) AS hours_trusted,
       count(*) FILTER (WHERE state = 'held') AS hours_held,
       count(*) FILTER (WHERE state = 'pending') AS hours_pending,
       (SELECT count(*) FROM quality_results) AS checks,
       (SELECT count(*) FROM quality_results WHERE NOT has_passed) AS failed,
       (SELECT count(*) FROM quality_results WHERE NOT has_passed AND severity = 'critical') AS failed_critical
FROM quality_verdicts;

-- name: failed_checks()
-- What failed, worst first.
SELECT table_name, expectation, severity, count(*) AS times
FROM quality_results
WHERE NOT has_passed
GROUP BY table_name, expectation, severity
ORDER BY severity, times DESC
LIMIT 5;

-- name: drift()
-- The checks of the latest window that had enough rows.
SELECT kind, subject, has_drifted, severity, headline
FROM drift_checks
WHERE window_end = (SELECT max(window_end) FROM drift_checks) AND test <> 'not_enough_data'
ORDER BY has_drifted DESC, p_value;

-- name: metrics()
-- Each metric over all hours: shares and scores as their mean weighted by rows; percentiles and counts per hour, which
-- have no mean, as the middle hour. Money comes per currency: hours without a row of one count there with 0, and the row
-- without a currency is in all hours.
SELECT metric || CASE WHEN slice = '' THEN '' ELSE ' ' || slice END AS metric, task, version,
       CASE WHEN metric LIKE 'latency\_p%%' OR metric LIKE '%%\_per\_hour' THEN middle ELSE total / nullif(n, 0) END AS value, n
FROM (SELECT metric, slice, task, version, sum(value * n) AS total,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS middle,
             (max(sum(n)) OVER (PARTITION BY metric, task, version))::bigint AS n
      FROM metric_rollups
      WHERE slice = '' OR slice LIKE 'currency=%%' AND slice NOT LIKE '%%,%%'
      GROUP BY metric, slice, task, version) AS merged
WHERE slice <> 'currency=' OR total <> 0
ORDER BY metric, task, version;

-- name: served(source, since)
-- Stored predictions of registered versions, shown to the customer's agent, in conversations started at or after `since`.
SELECT p.task, p.version, count(*) AS predictions
FROM predictions AS p
JOIN conversations AS c USING (conversation_id)
WHERE c.source = :source AND c.started_at >= :since AND p.version <> 'caller' AND p.is_served
GROUP BY p.task, p.version
ORDER BY p.task, predictions DESC;

-- name: champions()
-- Who answers now.
SELECT task, mode, version, since FROM model_rollouts WHERE state = 'champion' AND until IS NULL ORDER BY task, mode;

-- name: running_versions()
-- Who runs, of each task the champion first.
SELECT r.version, r.state, r.traffic_share, r.since, d.actor, d.reason
FROM model_rollouts AS r JOIN decisions AS d USING (decision)
WHERE r.until IS NULL AND r.state IN ('champion', 'holdback', 'canary', 'shadow')
ORDER BY r.task, r.mode, r.state = 'champion' DESC, r.state;
