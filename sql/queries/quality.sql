-- What the quality gate reads and writes. The judged_* statements are handed to Great Expectations as query assets: it
-- keeps their rows in temporary tables and looks at those. Each carries hour, event_id and conversation_id, which lead
-- from a failing row to what it holds back. A colon before a letter would be taken for a parameter there: none but
-- casts. `hours` are those to judge. Hours of one day are read as one span; OFFSET 0 keeps the planner from scanning all
-- days at once.

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('check_data_quality'))::text;

-- name: hours_to_judge()
-- Held hours are judged again each time: whatever mends them, they need nobody to say so.
SELECT hour, facts_version FROM quality_verdicts WHERE state IN ('pending', 'held') ORDER BY hour;

-- name: judged_conversations(hours)
SELECT date_trunc('hour', c.started_at, 'UTC') AS hour, c.conversation_id AS event_id, c.conversation_id, c.source,
       c.language, c.platform, c.started_at, c.last_event_at, extract(epoch FROM c.started_at - now()) / 3600 AS hours_ahead
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM unnest(:hours::timestamptz[]) AS hour
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (
    SELECT * FROM conversations AS c WHERE c.started_at >= day.low AND c.started_at < day.high OFFSET 0
) AS c
WHERE date_trunc('hour', c.started_at, 'UTC') = ANY (:hours::timestamptz[]);

-- name: judged_turns(hours)
-- What redaction is to mask wherever it stands alone: an address, a number in the writing of a phone, a card number
-- whose check digit is right, a number that identifies a person or an account. Only whether, never what, leaves the
-- statement. Few turns hold an @ or six digits close together at all: the dear patterns look at those alone.
SELECT date_trunc('hour', t.at, 'UTC') AS hour, t.event_id, t.conversation_id, t.turn, t.role, t.times_told,
       length(t.content) AS characters, extract(epoch FROM t.at - now()) / 3600 AS hours_ahead,
       c.conversation_id IS NOT NULL AS has_conversation,
       coalesce(strpos(t.content, '@') > 0 AND t.content ~ '[\w.+-]+@([\w-]+\.)+[a-zA-Z]{2,24}', false) AS holds_email,
       t.has_digits AND t.content ~ '(?<!\w)(\+\d([ .()-]{0,3}\d){8,}|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4})(?!\w)'
           AS holds_phone,
       t.has_digits AND t.content ~ '\d{4}[ -]?\d{4}[ -]?\d{4}' AND EXISTS (
           SELECT
           FROM regexp_matches(t.content, '(?<!\w)\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}(?!\w)', 'g') AS found(span)
           CROSS JOIN regexp_replace(span[1], '\D', '', 'g') AS digits
           WHERE (SELECT mod(sum(CASE WHEN mod(place, 2) = 1 THEN digit
                                      ELSE digit * 2 - 9 * (digit > 4)::integer END), 10) = 0
                  FROM (SELECT place, substr(reverse(digits), place, 1)::integer AS digit
                        FROM generate_series(1, length(digits)) AS place) AS each)
       ) AS holds_card,
       -- A US social security number, a Mexican CURP, an IBAN.
       t.has_digits AND t.content ~
           '(?<!\w)(\d{3}-\d{2}-\d{4}|[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d|[A-Z]{2}\d{2}( ?[A-Z\d]{4}){3,7}( ?[A-Z\d]{1,3})?)(?!\w)'
           AS holds_identity
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM unnest(:hours::timestamptz[]) AS hour
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (
    SELECT t.at, t.event_id, t.conversation_id, t.turn, t.role, t.content,
           count(*) OVER (PARTITION BY t.conversation_id, t.turn) AS times_told,
           coalesce(t.content ~ '\d(\D{0,3}\d){5}', false) AS has_digits
    FROM turns AS t
    WHERE t.at >= day.low AND t.at < day.high
    OFFSET 0
) AS t
LEFT JOIN conversations AS c USING (conversation_id)
WHERE date_trunc('hour', t.at, 'UTC') = ANY (:hours::timestamptz[]);

-- name: judged_predictions(hours, tasks)
-- has_foreign_label: one that its task does not know. A caller may say what it likes, our own versions may not.
SELECT date_trunc('hour', p.at, 'UTC') AS hour, p.event_id, p.conversation_id, p.turn, p.mode, p.times_told,
       p.latency_ms, extract(epoch FROM p.at - now()) / 3600 AS hours_ahead,
       c.conversation_id IS NOT NULL AS has_conversation, p.has_turn, p.probabilities <> '{}' AS has_answer,
       jsonb_typeof(p.probabilities) = 'object'
           AND NOT jsonb_path_exists(p.probabilities, '$.* ? (@.type() != "number" || @ < 0 || @ > 1)') AS are_probabilities,
       task.name IS NOT NULL AS has_known_task, judged.has_foreign_label AND p.version = 'caller' AS caller_has_foreign_label,
       judged.has_foreign_label AND p.version <> 'caller' AS ours_has_foreign_label
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM unnest(:hours::timestamptz[]) AS hour
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (
    SELECT p.at, p.event_id, p.conversation_id, p.turn, p.task, p.mode, p.version, p.latency_ms, p.probabilities, p.labels,
           told.turn IS NOT NULL AS has_turn,
           count(*) OVER (PARTITION BY p.conversation_id, p.turn, p.task, p.mode, p.version) AS times_told
    FROM predictions AS p
    LEFT JOIN (SELECT DISTINCT t.conversation_id, t.turn
               FROM turns AS t
               WHERE t.at >= day.low - interval '24 hours' AND t.at < day.high + interval '24 hours') AS told
      ON told.conversation_id = p.conversation_id AND told.turn = p.turn
    WHERE p.at >= day.low AND p.at < day.high
    OFFSET 0
) AS p
LEFT JOIN conversations AS c USING (conversation_id)
LEFT JOIN jsonb_to_recordset(:tasks::jsonb) AS task(name text, labels text[]) ON task.name = p.task
CROSS JOIN LATERAL (
    SELECT CASE jsonb_typeof(p.probabilities) WHEN 'object'
                THEN coalesce(p.probabilities - task.labels <> '{}' OR NOT p.labels <@ task.labels, false)
                ELSE false END AS has_foreign_label
) AS judged
WHERE date_trunc('hour', p.at, 'UTC') = ANY (:hours::timestamptz[]);

-- name: judged_outcomes()
-- Truths that hold, here and for labels: what another one supersedes taints nothing. Those of every hour to judge, however
-- few of them are judged together: a truth reaches hours of other days.
SELECT date_trunc('hour', o.at, 'UTC') AS hour, o.event_id, o.conversation_id, o.source, o.currency,
       count(*) OVER (PARTITION BY o.conversation_id, o.at) AS times_told, length(o.outcome) AS characters,
       o.value, o.satisfaction, o.duration_seconds, extract(epoch FROM o.at - now()) / 3600 AS hours_ahead,
       extract(epoch FROM o.learnt_at - o.at) / 3600 AS hours_to_learn,
       c.conversation_id IS NOT NULL AS has_conversation
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state IN ('pending', 'held')
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM outcomes AS o WHERE o.at >= day.low AND o.at < day.high OFFSET 0) AS o
LEFT JOIN conversations AS c USING (conversation_id)
WHERE date_trunc('hour', o.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state IN ('pending', 'held'))
  AND o.superseded_at IS NULL;

-- name: judged_labels(tasks)
SELECT date_trunc('hour', l.at, 'UTC') AS hour, l.event_id, l.conversation_id, l.turn, l.source, l.source_rank,
       count(*) OVER (PARTITION BY l.conversation_id, l.turn, l.task, l.source, l.learnt_at) AS times_told,
       extract(epoch FROM l.at - now()) / 3600 AS hours_ahead,
       extract(epoch FROM l.learnt_at - l.at) / 3600 AS hours_to_learn, c.conversation_id IS NOT NULL AS has_conversation,
       task.name IS NOT NULL AS has_known_task,
       (SELECT count(*) FROM unnest(l.labels) AS label WHERE NOT label = ANY (task.labels)) AS foreign_labels
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state IN ('pending', 'held')
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM labels AS l WHERE l.at >= day.low AND l.at < day.high OFFSET 0) AS l
LEFT JOIN conversations AS c USING (conversation_id)
LEFT JOIN jsonb_to_recordset(:tasks::jsonb) AS task(name text, labels text[]) ON task.name = l.task
WHERE date_trunc('hour', l.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state IN ('pending', 'held'))
  AND l.superseded_at IS NULL;

-- name: judged_assignments(hours)
SELECT date_trunc('hour', a.at, 'UTC') AS hour, a.event_id, a.conversation_id, length(a.arm) AS characters, a.unit,
       a.propensity, a.reason, extract(epoch FROM a.at - now()) / 3600 AS hours_ahead,
       c.conversation_id IS NOT NULL AS has_conversation, e.id IS NOT NULL OR a.arm IN (SELECT version FROM model_rollouts) AS has_experiment
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM unnest(:hours::timestamptz[]) AS hour
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM assignments AS a WHERE a.at >= day.low AND a.at < day.high OFFSET 0) AS a
LEFT JOIN conversations AS c USING (conversation_id)
LEFT JOIN ml_experiments AS e ON e.id = a.experiment_id
WHERE date_trunc('hour', a.at, 'UTC') = ANY (:hours::timestamptz[]);

-- name: judged_acts(hours)
SELECT date_trunc('hour', a.at, 'UTC') AS hour, a.event_id, a.conversation_id, a.act, a.source, a.probability,
       length(a.tagger) AS characters, a.has_turn
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM unnest(:hours::timestamptz[]) AS hour
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (
    SELECT a.*, t.turn IS NOT NULL AS has_turn
    FROM acts AS a
    LEFT JOIN turns AS t ON t.conversation_id = a.conversation_id AND t.turn = a.turn AND t.at = a.at
                        AND t.at >= day.low AND t.at < day.high
    WHERE a.at >= day.low AND a.at < day.high
    OFFSET 0
) AS a
WHERE date_trunc('hour', a.at, 'UTC') = ANY (:hours::timestamptz[]);

-- name: judged_ml_tracking_events(hours)
-- Attempts to predict that failed, from the log: failures make no facts. Grain: one row per hour of 20 attempts or more.
-- An error event says how many errors it counts.
SELECT *, errors / attempts AS error_share, fallbacks / attempts AS fallback_share
FROM (SELECT date_trunc('hour', e.timestamp, 'UTC') AS hour, NULL::uuid AS event_id, NULL::uuid AS conversation_id,
             sum(CASE WHEN e.event_type = 'prediction' THEN 1.0 ELSE counted END) AS attempts,
             sum(CASE WHEN e.event_type = 'error' THEN counted ELSE 0.0 END) AS errors,
             sum(CASE WHEN e.event_type = 'prediction'
                       AND (e.data ->> 'is_fallback' = 'true' OR e.data ->> 'error' IS NOT NULL)
                      THEN 1.0 ELSE 0.0 END) AS fallbacks
      FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
            FROM unnest(:hours::timestamptz[]) AS hour
            GROUP BY date_trunc('day', hour, 'UTC')) AS day
      CROSS JOIN LATERAL (
          SELECT e.timestamp, e.event_type, e.data,
                 CASE WHEN e.event_type = 'error' AND pg_input_is_valid(e.data ->> 'count', 'integer')
                      THEN greatest((e.data ->> 'count')::integer, 1) ELSE 1 END::double precision AS counted
          FROM ml_tracking_events AS e
          WHERE e.id >= uuid_floor(day.low) AND e.id < uuid_floor(day.high)
            AND e.event_type IN ('prediction', 'error')
          OFFSET 0
      ) AS e
      WHERE date_trunc('hour', e.timestamp, 'UTC') = ANY (:hours::timestamptz[])
      GROUP BY 1) AS tried
WHERE attempts >= 20;

-- name: judged_calls_by_hour(hours)
-- Calls that began in each hour that is over, per source, beside what is usual: the median of the same hour of the eight
-- weeks before, as far as it is trusted and the source had begun to call. of_usual is null without three such weeks, or
-- where it is a matter of fewer than 20 calls.
WITH counted AS (
    SELECT date_trunc('hour', c.started_at, 'UTC') + week * interval '168 hours' AS hour, week, c.source, count(*) AS calls
    FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
          FROM unnest(:hours::timestamptz[]) AS hour
          GROUP BY date_trunc('day', hour, 'UTC')) AS day
    CROSS JOIN generate_series(0, 8) AS week
    CROSS JOIN LATERAL (
        SELECT c.started_at, c.source
        FROM conversations AS c
        WHERE c.started_at >= day.low - week * interval '168 hours'
          AND c.started_at < day.high - week * interval '168 hours'
        OFFSET 0
    ) AS c
    GROUP BY 1, 2, 3
), usual AS (
    SELECT judged.hour, known.source, count(*) AS weeks,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(counted.calls, 0)) AS calls
    FROM unnest(:hours::timestamptz[]) AS judged(hour)
    CROSS JOIN (SELECT source, max(week) AS weeks FROM counted GROUP BY source) AS known
    CROSS JOIN LATERAL generate_series(1, known.weeks) AS week
    JOIN trusted_hours AS trusted ON trusted.hour = judged.hour - week * interval '168 hours'
    LEFT JOIN counted ON counted.hour = judged.hour AND counted.source = known.source AND counted.week = week.week
    GROUP BY judged.hour, known.source
)
SELECT hour, NULL::uuid AS event_id, NULL::uuid AS conversation_id, source, coalesce(new.calls, 0) AS calls,
       usual.calls AS usual_calls, coalesce(usual.weeks, 0) AS weeks,
       CASE WHEN usual.weeks >= 3 AND greatest(new.calls, usual.calls) >= 20
            THEN coalesce(new.calls, 0) / greatest(usual.calls, 1) END AS of_usual
FROM (SELECT * FROM counted WHERE week = 0 AND hour = ANY (:hours::timestamptz[])) AS new
FULL JOIN usual USING (hour, source)
WHERE hour + interval '1 hour' <= now();

-- name: judged_sources(hours)
-- Calls that each source should have begun since its last one, by the same hours of the eight weeks before, as far as
-- they are trusted; it looks back a day. Of a live source up to the last full hour, of a replayed one up to the end of
-- the hours to judge: its time is not the clock's. hour: the latest of these, for want of another. calls_missed is null without three weeks of history.
WITH past AS (
    SELECT c.source, c.week, c.started_at + c.week * interval '168 hours' AS at
    FROM (SELECT max(hour) + interval '1 hour' AS judged_until FROM unnest(:hours::timestamptz[]) AS hour) AS judged
    CROSS JOIN LATERAL (VALUES (false, date_trunc('hour', now(), 'UTC')), (true, judged_until)) AS clock(is_replayed, until)
    CROSS JOIN generate_series(0, 8) AS week
    CROSS JOIN LATERAL (
        SELECT c.source, week.week, c.started_at
        FROM conversations AS c
        WHERE c.started_at >= until - interval '24 hours' - week * interval '168 hours'
          AND c.started_at < until - week * interval '168 hours'
        OFFSET 0
    ) AS c
    WHERE is_replayed = EXISTS (SELECT FROM replayed_sources AS r WHERE r.source = c.source)
      AND (week.week = 0 OR date_trunc('hour', c.started_at, 'UTC') IN (SELECT hour FROM trusted_hours))
), heard AS (
    SELECT source, max(at) FILTER (WHERE week = 0) AS last_at, max(week) AS weeks FROM past GROUP BY source
)
SELECT (SELECT max(hour) FROM unnest(:hours::timestamptz[]) AS hour) AS hour, NULL::uuid AS event_id,
       NULL::uuid AS conversation_id, source, heard.last_at,
       CASE WHEN heard.weeks >= 3
            THEN count(*) FILTER (WHERE week > 0 AND (at > last_at) IS NOT FALSE)::double precision / heard.weeks
       END AS calls_missed
FROM heard JOIN past USING (source)
GROUP BY source, heard.last_at, heard.weeks;

-- name: failing_rows()
-- What a failed check found, gathered: up to 100 event ids, and the hours they hold back. It is filled with the query
-- of the check itself, and whether its rows are truths. An outcome or a label also holds what it is the truth of: the
-- hours of the predictions of its conversation, and the hour that started in.
WITH failing AS MATERIALIZED (
    SELECT hour, event_id, conversation_id FROM ({failing}) AS found
), reached AS (
    SELECT DISTINCT conversation_id FROM failing WHERE {is_truth}
), held AS (
    SELECT hour FROM failing
    UNION
    SELECT date_trunc('hour', c.started_at, 'UTC') FROM reached JOIN conversations AS c USING (conversation_id)
    UNION
    SELECT date_trunc('hour', p.at, 'UTC')
    FROM reached
    JOIN conversations AS c USING (conversation_id)
    JOIN predictions AS p ON p.conversation_id = c.conversation_id
        AND p.at >= c.started_at - interval '24 hours' AND p.at <= c.last_event_at + interval '24 hours'
)
SELECT ARRAY(SELECT event_id::text FROM failing WHERE event_id IS NOT NULL ORDER BY event_id LIMIT 100) AS events,
       ARRAY(SELECT hour FROM held) AS hours;

-- name: record_results(judged_at, window_start, window_end, table_name, expectation, severity, has_passed, observed, failing_events)*!
INSERT INTO quality_results (judged_at, window_start, window_end, table_name, expectation, severity, has_passed,
                             observed, failing_events)
VALUES (:judged_at, :window_start, :window_end, :table_name, :expectation, :severity, :has_passed, :observed::jsonb,
        :failing_events::uuid[]);

-- name: record_verdicts(hours, facts_versions, states, reasons, judged_at)
-- A verdict holds for the facts it judged: an hour that changed meanwhile stays pending, and its change on the list; one
-- that was released meanwhile stays released. An hour that was held before it was judged is held since then.
WITH judged AS (
    SELECT * FROM unnest(:hours::timestamptz[], :facts_versions::bigint[], :states::text[], :reasons::text[])
        AS verdict(hour, facts_version, state, reason)
), unchanged AS (
    SELECT hour
    FROM quality_verdicts JOIN judged USING (hour, facts_version)
    WHERE quality_verdicts.state IN ('pending', 'held')
    ORDER BY hour
    FOR UPDATE OF quality_verdicts
), written AS (
    UPDATE quality_verdicts AS known
    SET state = judged.state, reason = judged.reason, judged_at = :judged_at,
        held_since = CASE judged.state WHEN 'held' THEN coalesce(known.held_since, :judged_at) END
    FROM judged JOIN unchanged USING (hour)
    WHERE known.hour = judged.hour AND known.facts_version = judged.facts_version
      AND known.state IN ('pending', 'held')
    RETURNING known.hour, known.state
), done AS (
    DELETE FROM changed_hours WHERE consumer = 'quality' AND hour IN (SELECT hour FROM written)
)
SELECT state, count(*) AS hours FROM written GROUP BY state;

-- name: released_hours()$
-- Released hours that somebody who reads trusted hours has not taken yet.
SELECT count(*)
FROM quality_verdicts AS v
WHERE state = 'released'
  AND EXISTS (SELECT FROM changed_hours AS c WHERE c.hour = v.hour AND c.consumer <> 'quality');

-- name: verdicts(start, end)
SELECT hour, state, reason, facts_version, held_since, judged_at
FROM quality_verdicts
WHERE hour >= :start AND hour < :end
ORDER BY hour;

-- name: release_hours(hours, facts_versions, reason, actor)$
SELECT release_hours(:hours::timestamptz[], :facts_versions::bigint[], :reason, :actor);

-- name: count_states()
SELECT state, count(*) AS hours FROM quality_verdicts GROUP BY state ORDER BY state;

-- name: held_hours()
SELECT hour, held_since, reason FROM quality_verdicts WHERE state = 'held' ORDER BY hour;

-- name: oldest_pending()^
-- waiting_since: when the oldest change of an hour that waits for judgement was made.
SELECT min(v.hour) AS hour, min(c.created_at) AS waiting_since
FROM quality_verdicts AS v LEFT JOIN changed_hours AS c ON c.hour = v.hour AND c.consumer = 'quality'
WHERE v.state = 'pending';

-- name: last_failures()
-- What failed in the last judgement.
SELECT judged_at, window_start, window_end, table_name, expectation, severity, observed,
       failing_events::text[] AS failing_events
FROM quality_results
WHERE judged_at = (SELECT max(judged_at) FROM quality_results) AND NOT has_passed
ORDER BY severity, table_name, expectation;
