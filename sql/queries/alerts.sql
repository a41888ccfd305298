-- What alert rules read, and what becomes of alerts. Whatever reads history is bound to its window, so that only the
-- partitions and hours concerned are opened; LATERAL with OFFSET 0 keeps the planner from reading them all at once.

-- name: lock()$
-- One judge at a time; a second one finds what the first one left.
SELECT pg_advisory_xact_lock(hashtext('judge_alerts'))::text;

-- name: savepoint()!
SAVEPOINT reading;

-- name: back_to_savepoint()!
ROLLBACK TO SAVEPOINT reading;

-- name: hours(metric, task, mode, version, slice, over, start, end, first_week, last_week)
-- Grain: one row per subject: its hours of [start, end), and the same hours of earlier weeks; those that are held now
-- are left out. With `over`, values are the share of the histogram in buckets that lie wholly from `over` on.
SELECT task, mode, version, slice, array_agg(hour) AS hours, array_agg(value) AS values, array_agg(n) AS counts,
       array_agg(mean_square) AS squares
FROM generate_series(:first_week::integer, :last_week::integer) AS week
CROSS JOIN LATERAL (
    SELECT hour, task, mode, version, slice, n, mean_square,
           CASE WHEN :over::double precision IS NULL THEN value
                ELSE (SELECT coalesce(sum(held::bigint) FILTER (
                                 WHERE power(1.1, bucket::integer) >= :over::double precision), 0)
                             / nullif(sum(held::bigint), 0)
                      FROM jsonb_each_text(histogram) AS counted(bucket, held)) END::double precision AS value
    FROM metric_rollups
    WHERE metric = :metric
      AND hour >= :start::timestamptz - week * interval '7 days'
      AND hour < :end::timestamptz - week * interval '7 days'
      AND task LIKE :task AND mode LIKE :mode AND version LIKE :version AND slice LIKE :slice
    OFFSET 0
) AS rolled
WHERE value IS NOT NULL AND n > 0
  AND NOT EXISTS (SELECT FROM quality_verdicts AS verdict WHERE verdict.hour = rolled.hour AND state = 'held')
GROUP BY task, mode, version, slice;

-- name: matured_rates(slice, now)
-- The rate of the last seven days as it will be once mature, and of two to four whole weeks before, all as known last.
-- The weeks share the delay curve that corrects them, so that their errors do not cancel: the pooled one is their mean.
WITH known AS (
    SELECT *, (high - low) / (2 * 1.96) AS error, window_end = as_of AS is_recent
    FROM matured_rates
    WHERE as_of = (SELECT max(as_of) FROM matured_rates
                   WHERE as_of <= :now AND as_of > :now::timestamptz - interval '1 day')
      AND slice LIKE :slice AND corrected_rate IS NOT NULL AND n_total > 0
      AND window_end = window_start + interval '7 days'
      AND (window_end = as_of OR window_end <= as_of - interval '7 days')
), chosen AS (
    SELECT *, row_number() OVER (PARTITION BY slice, is_recent ORDER BY window_end DESC) AS nth FROM known
)
SELECT slice, is_recent,
       sum(corrected_rate * n_total) / sum(n_total) AS value, sum(n_total)::bigint AS n, 168 * count(*) AS hours,
       (sum(error * n_total) / sum(n_total)) ^ 2 AS variance
FROM chosen
WHERE nth <= 4
GROUP BY slice, is_recent
HAVING is_recent OR count(*) >= 2;

-- name: absent_conversations(start, end)
-- Conversations started, per live source; to be expected: the median of the same hours of the four weeks before, from
-- the first week on in which the source had any. With one such week there is no usual yet.
WITH counted AS (
    SELECT week, c.source, c.conversations
    FROM generate_series(0, 4) AS week
    CROSS JOIN LATERAL (
        SELECT source, count(*) AS conversations
        FROM conversations
        WHERE started_at >= :start::timestamptz - week * interval '7 days'
          AND started_at < :end::timestamptz - week * interval '7 days'
        GROUP BY source
        OFFSET 0
    ) AS c
    WHERE c.source NOT IN (SELECT source FROM replayed_sources)
), known AS (
    SELECT source, max(week) AS weeks FROM counted GROUP BY source
)
SELECT known.source AS subject, coalesce(max(conversations) FILTER (WHERE week = 0), 0) AS count,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(conversations, 0)) FILTER (WHERE week > 0) AS expected
FROM known
CROSS JOIN LATERAL generate_series(0, known.weeks) AS week
LEFT JOIN counted USING (source, week)
WHERE known.weeks >= 2
GROUP BY known.source;

-- name: absent_predicted_conversations(start, end)
-- Conversations of live sources that have a prediction; to be expected: as large a share of those started as in the
-- same hours of the four weeks before.
WITH counted AS (
    SELECT week, c.source, c.conversations, c.predicted
    FROM generate_series(0, 4) AS week
    CROSS JOIN LATERAL (
        SELECT source, count(*) AS conversations,
               count(*) FILTER (WHERE EXISTS (
                   SELECT
                   FROM predictions AS p
                   WHERE p.conversation_id = started.conversation_id
                     AND p.at >= :start::timestamptz - week * interval '7 days' - interval '1 day'
                     AND p.at < :end::timestamptz - week * interval '7 days' + interval '1 day')) AS predicted
        FROM conversations AS started
        WHERE started_at >= :start::timestamptz - week * interval '7 days'
          AND started_at < :end::timestamptz - week * interval '7 days'
        GROUP BY source
        OFFSET 0
    ) AS c
    WHERE c.source NOT IN (SELECT source FROM replayed_sources)
)
SELECT source AS subject, coalesce(sum(predicted) FILTER (WHERE week = 0), 0)::bigint AS count,
       coalesce(sum(conversations) FILTER (WHERE week = 0), 0)
       * coalesce(sum(predicted) FILTER (WHERE week > 0) / sum(conversations) FILTER (WHERE week > 0), 0) AS expected
FROM counted
GROUP BY source;

-- name: absent_labelled_answers(start, end)
-- Answers whose truth is known, per task and mode; to be expected: as large a share of the answers as in the four weeks
-- before the window.
WITH counted AS (
    SELECT task, mode, hour >= :start::timestamptz AS is_recent,
           coalesce(sum(value * n) FILTER (WHERE metric = 'predictions_per_hour'), 0) AS answers,
           coalesce(sum(n) FILTER (WHERE metric = 'accuracy'), 0) AS labelled
    FROM metric_rollups
    WHERE metric IN ('predictions_per_hour', 'accuracy') AND slice = ''
      AND hour >= :start::timestamptz - interval '28 days' AND hour < :end::timestamptz
    GROUP BY task, mode, is_recent
)
SELECT concat_ws(' ', task, nullif(mode, '')) AS subject,
       coalesce(sum(labelled) FILTER (WHERE is_recent), 0)::bigint AS count,
       coalesce(sum(answers) FILTER (WHERE is_recent), 0)
       * coalesce(sum(labelled) FILTER (WHERE NOT is_recent)
                  / nullif(sum(answers) FILTER (WHERE NOT is_recent), 0), 0) AS expected
FROM counted
GROUP BY task, mode;

-- name: absent_trusted_hours(start, end)
-- Hours that may be read, of those in which conversations of live sources started.
SELECT '' AS subject, count(*) FILTER (WHERE hour IN (SELECT hour FROM trusted_hours)) AS count, count(*) AS expected
FROM generate_series(:start::timestamptz, :end::timestamptz - interval '1 hour', interval '1 hour') AS hour
WHERE EXISTS (
    SELECT
    FROM conversations
    WHERE started_at >= hour AND started_at < hour + interval '1 hour'
      AND source NOT IN (SELECT source FROM replayed_sources));

-- name: measure_held_hours(now)
SELECT '' AS subject,
       coalesce(extract(epoch FROM :now::timestamptz - min(held_since)) / 3600, 0)::double precision AS value,
       NULL::bigint AS n,
       jsonb_build_object('hours', jsonb_path_query_array(jsonb_agg(hour ORDER BY hour), '$[0 to 47]'),
                          'reasons', jsonb_path_query_array(jsonb_agg(DISTINCT reason), '$[0 to 9]')) AS evidence
FROM quality_verdicts
WHERE state = 'held';

-- name: measure_held_share(start, end)
SELECT '' AS subject, coalesce(avg((state = 'held')::integer), 0)::double precision AS value, count(*) AS n,
       jsonb_build_object('hours', jsonb_path_query_array(
           jsonb_agg(hour ORDER BY hour) FILTER (WHERE state = 'held'), '$[0 to 47]')) AS evidence
FROM quality_verdicts
WHERE hour >= :start AND hour < :end AND state <> 'pending';

-- name: measure_pending_hours(now)
SELECT '' AS subject,
       coalesce(extract(epoch FROM :now::timestamptz - min(created_at)) / 3600, 0)::double precision AS value,
       NULL::bigint AS n,
       jsonb_build_object('hours', jsonb_path_query_array(jsonb_agg(DISTINCT hour), '$[0 to 47]')) AS evidence
FROM changed_hours
WHERE consumer = 'quality' AND hour IN (SELECT hour FROM quality_verdicts WHERE state = 'pending');

-- name: measure_rollup_lag_hours(now)
SELECT '' AS subject,
       coalesce(extract(epoch FROM :now::timestamptz - min(created_at)) / 3600, 0)::double precision AS value,
       NULL::bigint AS n,
       jsonb_build_object('hours', jsonb_path_query_array(jsonb_agg(DISTINCT hour), '$[0 to 47]')) AS evidence
FROM changed_hours
WHERE consumer = 'rollups' AND hour IN (SELECT hour FROM trusted_hours);

-- name: measure_ingest_lag_hours(now)
SELECT '' AS subject,
       coalesce(extract(epoch FROM :now::timestamptz - min(created_at)) / 3600, 0)::double precision AS value,
       NULL::bigint AS n, jsonb_build_object('entries', count(*), 'oldest_entry', min(entry)) AS evidence
FROM log_ledger;

-- name: measure_spooled_records(now)
-- Of writers heard of within a week: a host that is gone for good ships no more.
SELECT '' AS subject, coalesce(sum(spooled), 0)::double precision AS value, NULL::bigint AS n,
       jsonb_build_object('writers', jsonb_path_query_array(
           jsonb_agg(writer ORDER BY spooled DESC), '$[0 to 9]')) AS evidence
FROM facade_writers
WHERE spooled > 0 AND reported_at >= :now::timestamptz - interval '7 days';

-- name: measure_lost_records(now)
-- Per writer that was heard of within a day: its counters are never reduced.
SELECT writer::text AS subject, (dropped + quarantined + missing)::double precision AS value, NULL::bigint AS n,
       jsonb_build_object('dropped', dropped, 'quarantined', quarantined, 'missing', missing) AS evidence
FROM capture_writers
WHERE reported_at >= :now::timestamptz - interval '1 day';

-- name: measure_rejected_share(start, end)
-- Records that the door rejected in the window, beside the events of the log that happened in it.
SELECT '' AS subject, rejected::double precision / greatest(rejected + stored, 1) AS value, rejected + stored AS n,
       jsonb_build_object('reasons', reasons) AS evidence
FROM (SELECT coalesce(sum(records), 0)::bigint AS rejected, jsonb_object_agg(reason, records) AS reasons
      FROM (SELECT reason, count(*) AS records
            FROM rejected_events
            WHERE rejected_at >= :start AND rejected_at < :end
            GROUP BY reason) AS by_reason) AS refused,
     (SELECT count(*) AS stored
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:start) AND id < uuid_floor(:end)) AS kept;

-- name: measure_unprojectable_share(start, end)
-- Events that arrived in the window and should be facts but cannot be, beside the events that happened in it.
SELECT '' AS subject, least(unprojectable::double precision / greatest(stored, 1), 1) AS value,
       greatest(stored, unprojectable) AS n, jsonb_build_object('events', events) AS evidence
FROM (SELECT count(*) AS unprojectable,
             jsonb_path_query_array(jsonb_agg(event_id ORDER BY event_id), '$[0 to 19]') AS events
      FROM unprojected_events
      WHERE arrived_at >= :start AND arrived_at < :end) AS refused,
     (SELECT count(*) AS stored
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:start) AND id < uuid_floor(:end)) AS kept;

-- name: measure_fallback_share(start, end)
SELECT '' AS subject, coalesce(avg(is_fallback::integer), 0)::double precision AS value, count(*) AS n,
       jsonb_build_object('events', jsonb_path_query_array(
           jsonb_agg(id ORDER BY id) FILTER (WHERE is_fallback), '$[0 to 19]')) AS evidence
FROM (SELECT id, coalesce(data ->> 'is_fallback' = 'true', false) AS is_fallback
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:start) AND id < uuid_floor(:end) AND event_type = 'prediction') AS answered;

-- name: measure_refused_artifacts(now)
-- Within a day: by a retraining, as decisions, and by agents, as their errors.
SELECT '' AS subject, sum(times)::double precision AS value, NULL::bigint AS n,
       jsonb_build_object('decisions', jsonb_path_query_array(jsonb_agg(decision) FILTER (WHERE decision IS NOT NULL),
                                                              '$[0 to 9]'),
                          'events', jsonb_path_query_array(jsonb_agg(event) FILTER (WHERE event IS NOT NULL),
                                                           '$[0 to 9]')) AS evidence
FROM (SELECT 0 AS times, NULL::uuid AS decision, NULL::uuid AS event
      UNION ALL
      SELECT 1, decision, NULL
      FROM decisions
      WHERE kind = 'artifact' AND decided_at > :now::timestamptz - interval '1 day' AND decided_at <= :now
      UNION ALL
      SELECT 1, NULL, id
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:now::timestamptz - interval '1 day') AND id < uuid_floor(:now) AND event_type = 'error'
        AND data ->> 'reason' IN ('bundle_refused', 'bundle_altered')) AS refused;

-- name: measure_moved_aliases(now)
SELECT '' AS subject, count(*)::double precision AS value, NULL::bigint AS n,
       jsonb_build_object('decisions', jsonb_path_query_array(jsonb_agg(decision ORDER BY decided_at DESC),
                                                              '$[0 to 9]')) AS evidence
FROM decisions
WHERE kind = 'alias' AND decided_at > :now::timestamptz - interval '1 day' AND decided_at <= :now;

-- name: newest_checks(kinds, subject, start, now)
-- The newest drift check of each subject that ended since `start`.
SELECT DISTINCT ON (kind, subject) kind, subject, severity, has_drifted, window_start, window_end,
       coalesce(evidence ->> 'recent_conversations', evidence ->> 'recent_sales', '0')::bigint AS n
FROM drift_checks
WHERE kind = ANY (:kinds) AND subject LIKE :subject AND window_end >= :start AND checked_at <= :now
ORDER BY kind, subject, window_end DESC;

-- name: standings()
SELECT rule, subject, coalesce(s.judged_until, a.last_seen_at) AS judged_until, coalesce(s.streak, 0) AS streak,
       coalesce(s.streak_before, 0) AS streak_before, a.last_seen_at IS NOT NULL AS is_open
FROM alert_standings AS s
FULL JOIN (SELECT rule, subject, last_seen_at FROM alerts WHERE resolved_at IS NULL) AS a USING (rule, subject);

-- name: keep_standings(standings)!
-- Of an array of {rule, subject, judged_until, streak, streak_before}.
INSERT INTO alert_standings AS known (rule, subject, judged_until, streak, streak_before)
SELECT * FROM jsonb_to_recordset(:standings::jsonb)
    AS told(rule text, subject text, judged_until timestamptz, streak integer, streak_before integer)
ON CONFLICT (rule, subject) DO UPDATE
SET judged_until = excluded.judged_until, streak = excluded.streak, streak_before = excluded.streak_before;

-- name: open_alerts(rule, subject, severity, owner, runbook, headline, value, bound, n, evidence, now)*!
INSERT INTO alerts (rule, subject, severity, owner, runbook, headline, value, bound, n, evidence, opened_at,
                    last_seen_at)
VALUES (:rule, :subject, :severity, :owner, :runbook, :headline, :value, :bound, :n, :evidence::jsonb, :now, :now);

-- name: renew_alerts(rule, subject, headline, value, bound, n, evidence, now)*!
UPDATE alerts
SET last_seen_at = :now, headline = :headline, value = :value, bound = :bound, n = :n, evidence = :evidence::jsonb
WHERE rule = :rule AND subject = :subject AND resolved_at IS NULL;

-- name: resolve_alerts(rule, subject, resolution, now)*!
UPDATE alerts
SET resolved_at = :now, resolution = :resolution
WHERE rule = :rule AND subject = :subject AND resolved_at IS NULL;

-- name: open_ones()
SELECT rule, subject, last_seen_at FROM alerts WHERE resolved_at IS NULL;

-- name: forget_standings(before)!
-- Subjects that nobody reads any more.
DELETE FROM alert_standings WHERE judged_until < :before;

-- name: listed(with_resolved)
-- Open alerts, the worst first; with the resolved ones at most 500.
SELECT alert::text, rule, subject, severity, owner, runbook, headline, value, bound, n, evidence, opened_at,
       last_seen_at, acknowledged_at, acknowledged_by, note, resolved_at, resolution
FROM alerts
WHERE resolved_at IS NULL OR :with_resolved
ORDER BY resolved_at IS NOT NULL, array_position(ARRAY['critical', 'warning', 'info'], severity), opened_at DESC
LIMIT 500;

-- name: find_open(prefix)
SELECT alert::text FROM alerts WHERE resolved_at IS NULL AND starts_with(alert::text, :prefix) LIMIT 2;

-- name: acknowledge(alert, actor, because)$
SELECT acknowledge_alert(:alert, :actor, :because);
