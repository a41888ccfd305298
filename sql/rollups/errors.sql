-- name: errors()!
-- Failures among attempts. An attempt is an answer, failed or not, or what an error event counts; read from the log,
-- for failures make no facts.
INSERT INTO metric_rollups (hour, metric, value, n)
SELECT hour, 'error_rate', sum(failures)::double precision / sum(attempts), sum(attempts)
FROM (SELECT date_trunc('hour', e.timestamp, 'UTC') AS hour,
             CASE WHEN e.event_type = 'prediction' THEN 1
                  WHEN pg_input_is_valid(e.data ->> 'count', 'integer') THEN greatest((e.data ->> 'count')::integer, 1)
                  ELSE 1 END::bigint AS attempts,
             CASE WHEN e.event_type = 'error' AND pg_input_is_valid(e.data ->> 'count', 'integer')
                      THEN greatest((e.data ->> 'count')::integer, 1)
                  WHEN e.event_type = 'error' THEN 1
                  WHEN e.data ->> 'is_fallback' = 'true' OR e.data ->> 'error' IS NOT NULL THEN 1
                  ELSE 0 END::bigint AS failures
      FROM rolled_days
      CROSS JOIN LATERAL (
          SELECT timestamp, event_type, data
          FROM ml_tracking_events
          WHERE id >= uuid_floor(low) AND id < uuid_floor(high) AND event_type IN ('prediction', 'error')
          OFFSET 0
      ) AS e) AS tried
WHERE hour IN (SELECT hour FROM rolled_hours)
GROUP BY hour;
