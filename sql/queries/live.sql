-- What happens right now, straight from the log: unjudged, and without waiting for any job. Bounds are ids, so that only the
-- partitions of the last minutes are opened. A failure is what an error event counts, a fallback, or an answer that
-- carries an error, as in the metric error_rate.

-- name: minutes(start, end)
-- Grain: one row per minute of [start, end) in which something happened. attempts: answers and counted failures.
SELECT minute, count(*) AS events, count(DISTINCT conversation_id) AS conversations,
       count(*) FILTER (WHERE event_type = 'turn') AS turns, sum(attempts)::bigint AS attempts,
       sum(failures)::bigint AS failures,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS latency_p95_ms
FROM (SELECT date_trunc('minute', timestamp, 'UTC') AS minute, conversation_id, event_type,
             CASE WHEN event_type = 'prediction' THEN 1 WHEN event_type = 'error' THEN counted ELSE 0 END AS attempts,
             CASE WHEN event_type = 'error' THEN counted
                  WHEN event_type = 'prediction'
                       AND (data ->> 'is_fallback' = 'true' OR data ->> 'error' IS NOT NULL) THEN 1
                  ELSE 0 END AS failures,
             CASE WHEN event_type = 'prediction' AND jsonb_typeof(data -> 'latency_ms') = 'number'
                  THEN (data ->> 'latency_ms')::double precision END AS latency_ms
      FROM ml_tracking_events
      CROSS JOIN LATERAL (SELECT CASE WHEN pg_input_is_valid(data ->> 'count', 'integer')
                                      THEN greatest((data ->> 'count')::integer, 1) ELSE 1 END AS counted) AS told
      WHERE id >= uuid_floor(:start) AND id < uuid_floor(:end)) AS happened
GROUP BY minute
ORDER BY minute;

-- name: answers(start, end)
-- Grain: one row per task, mode and version that answered in [start, end).
SELECT data ->> 'task' AS task, data ->> 'mode' AS mode, data ->> 'version' AS version, count(*) AS answers,
       avg((data ->> 'is_served' = 'true')::integer) AS served_share,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
           ORDER BY CASE WHEN jsonb_typeof(data -> 'latency_ms') = 'number'
                         THEN (data ->> 'latency_ms')::double precision END) AS latency_ms
FROM ml_tracking_events
WHERE id >= uuid_floor(:start) AND id < uuid_floor(:end) AND event_type = 'prediction'
  AND data ->> 'is_fallback' IS DISTINCT FROM 'true' AND data ->> 'error' IS NULL
  AND data ->> 'task' IS NOT NULL AND data ->> 'mode' IS NOT NULL AND data ->> 'version' IS NOT NULL
GROUP BY task, mode, version
ORDER BY task, mode, version;

-- name: calls(start, end, most)
-- Grain: one row per conversation in progress: heard of in [start, end) and without an outcome since, the latest heard
-- first, `most` of them; `calls` counts them all. turns: how many messages there were. likelihood: of a sale, as served.
SELECT conversation_id, client_id, last_at, language, program, platform, phase, turns, likelihood,
       count(*) OVER () AS calls
FROM (SELECT conversation_id, max(timestamp) AS last_at, bool_or(event_type = 'outcome') AS has_ended,
             (array_agg(client_id ORDER BY id DESC) FILTER (WHERE client_id IS NOT NULL))[1] AS client_id,
             (array_agg(data #>> '{conversation,language}' ORDER BY id DESC)
                 FILTER (WHERE data #>> '{conversation,language}' IS NOT NULL))[1] AS language,
             (array_agg(data #>> '{conversation,program}' ORDER BY id DESC)
                 FILTER (WHERE data #>> '{conversation,program}' IS NOT NULL))[1] AS program,
             (array_agg(data #>> '{conversation,platform}' ORDER BY id DESC)
                 FILTER (WHERE data #>> '{conversation,platform}' IS NOT NULL))[1] AS platform,
             (array_agg(data #>> '{context,phase}' ORDER BY id DESC)
                 FILTER (WHERE data #>> '{context,phase}' IS NOT NULL))[1] AS phase,
             1 + max(CASE WHEN event_type = 'turn' AND pg_input_is_valid(data ->> 'turn', 'integer')
                          THEN (data ->> 'turn')::integer END) AS turns,
             (array_agg(data #> '{probabilities,sold}' ORDER BY id DESC)
                 FILTER (WHERE event_type = 'prediction' AND data ->> 'task' = 'conversion'
                           AND data ->> 'is_served' = 'true'
                           AND jsonb_typeof(data #> '{probabilities,sold}') = 'number'))[1]::double precision
                 AS likelihood
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:start) AND id < uuid_floor(:end) AND conversation_id IS NOT NULL
        AND event_type NOT IN ('label', 'error', 'retraining_request')
      GROUP BY conversation_id) AS heard
WHERE NOT has_ended
ORDER BY last_at DESC, conversation_id
LIMIT :most;

-- name: backlog()^
-- How far behind the facts are: events of the log that no job has projected, and since when the oldest waits.
SELECT coalesce(sum(cardinality(ids)), 0)::bigint AS events, min(created_at) AS oldest FROM log_ledger;
