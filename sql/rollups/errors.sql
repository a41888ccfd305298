-- name: errors()!
-- Failures among attempts. An attempt is an answer, failed or not, or what an error event counts; read from the log,
-- for failures make no facts.
INSERT INTO metric_rollups (hour, metric, slice, value, n)
WITH tried AS (
    SELECT date_trunc('hour', e.timestamp, 'UTC') AS hour, e.source,
           CASE WHEN e.event_type = 'prediction' THEN 1
                WHEN pg_input_is_valid(e.data ->> 'count', 'integer') THEN greatest((e.data ->> 'count')::integer, 1)
                ELSE 1 END AS attempts,
           e.event_type = 'error' OR e.data ->> 'is_fallback' = 'true' OR e.data ->> 'error' IS NOT NULL AS has_failed
    FROM rolled_days
    CROSS JOIN LATERAL (
        SELECT timestamp, event_type, source, data
        FROM ml_tracking_events
        WHERE id >= uuid_floor(low) AND id < uuid_floor(high) AND event_type IN ('prediction', 'error')
        OFFSET 0
    ) AS e
)
SELECT hour, 'error_rate', CASE WHEN grouping(source) = 0 THEN 'source=' || source ELSE '' END AS slice,
       coalesce(sum(attempts) FILTER (WHERE has_failed), 0)::double precision / sum(attempts), sum(attempts)
FROM tried
WHERE hour IN (SELECT hour FROM rolled_hours)
GROUP BY hour, GROUPING SETS ((), (source));
