-- What the quality gate reads and writes. The judged_* statements are handed to Great Expectations as query assets: it
-- keeps their rows in temporary tables and looks at those. Each carries hour, event_id and conversation_id, which lead
-- from a failing row to what it holds back. A colon before a letter would be taken for a parameter there: none but
-- casts. Pending hours of one day are read as one span; OFFSET 0 keeps the planner from scanning all days at once.

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('check_data_quality'))::text;

-- name: pending_hours()
SELECT hour, facts_version FROM quality_verdicts WHERE state = 'pending' ORDER BY hour;

-- name: judged_conversations()
SELECT date_trunc('hour', c.started_at, 'UTC') AS hour, c.conversation_id AS event_id, c.conversation_id, c.source,
       c.started_at, c.last_event_at, extract(epoch FROM c.started_at - now()) / 3600 AS hours_ahead
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state = 'pending'
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (
    SELECT * FROM conversations AS c WHERE c.started_at >= day.low AND c.started_at < day.high OFFSET 0
) AS c
WHERE date_trunc('hour', c.started_at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state = 'pending');

-- name: judged_turns()
-- What redaction is to mask wherever it stands alone: an address, a number in the writing of a phone, a card number
-- whose check digit is right. Only whether, never what, leaves the statement.
SELECT date_trunc('hour', t.at, 'UTC') AS hour, t.event_id, t.conversation_id, t.turn, t.role,
       concat_ws('/', t.conversation_id, t.turn) AS told,
       length(t.content) AS characters, extract(epoch FROM t.at - now()) / 3600 AS hours_ahead,
       c.conversation_id IS NOT NULL AS has_conversation,
       t.content ~ '[\w.+-]+@([\w-]+\.)+[a-zA-Z]{2,24}' AS holds_email,
       t.content ~ '(?<!\w)(\+\d([ .()-]{0,3}\d){8,}|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4})(?!\w)'
           AS holds_phone,
       t.content ~ '\d{4}[ -]?\d{4}[ -]?\d{4}' AND EXISTS (
           SELECT
           FROM regexp_matches(t.content, '(?<!\w)\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}(?!\w)', 'g') AS found(span)
           CROSS JOIN regexp_replace(span[1], '\D', '', 'g') AS digits
           WHERE (SELECT mod(sum(CASE WHEN mod(place, 2) = 1 THEN digit
                                      ELSE digit * 2 - 9 * (digit > 4)::integer END), 10) = 0
                  FROM (SELECT place, substr(reverse(digits), place, 1)::integer AS digit
                        FROM generate_series(1, length(digits)) AS place) AS each)
       ) AS holds_card
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state = 'pending'
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM turns AS t WHERE t.at >= day.low AND t.at < day.high OFFSET 0) AS t
LEFT JOIN conversations AS c USING (conversation_id)
WHERE date_trunc('hour', t.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state = 'pending');

-- name: judged_predictions(tasks)
-- foreign_labels: labels that its task does not know. A caller may say what it likes, our own versions may not.
SELECT date_trunc('hour', p.at, 'UTC') AS hour, p.event_id, p.conversation_id, p.turn, p.mode,
       concat_ws('/', p.conversation_id, p.turn, p.task, p.mode, p.version) AS told,
       p.latency_ms, extract(epoch FROM p.at - now()) / 3600 AS hours_ahead,
       c.conversation_id IS NOT NULL AS has_conversation, p.has_turn, answer.lowest, answer.highest,
       task.name IS NOT NULL AS has_known_task,
       CASE WHEN p.version = 'caller' THEN foreign_labels ELSE 0 END AS foreign_labels_of_caller,
       CASE WHEN p.version <> 'caller' THEN foreign_labels ELSE 0 END AS foreign_labels_of_ours
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state = 'pending'
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (
    SELECT p.*, told.turn IS NOT NULL AS has_turn
    FROM predictions AS p
    LEFT JOIN (SELECT DISTINCT t.conversation_id, t.turn
               FROM turns AS t
               WHERE t.at >= day.low - interval '1 day' AND t.at < day.high + interval '1 day') AS told
      ON told.conversation_id = p.conversation_id AND told.turn = p.turn
    WHERE p.at >= day.low AND p.at < day.high
    OFFSET 0
) AS p
LEFT JOIN conversations AS c USING (conversation_id)
LEFT JOIN jsonb_to_recordset(:tasks::jsonb) AS task(name text, labels text[]) ON task.name = p.task
CROSS JOIN LATERAL (
    SELECT min(probability::double precision) AS lowest, max(probability::double precision) AS highest,
           count(*) FILTER (WHERE NOT label = ANY (task.labels)) AS foreign_labels
    FROM jsonb_each_text(p.probabilities) AS said(label, probability)
) AS answer
WHERE date_trunc('hour', p.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state = 'pending');

-- name: judged_outcomes()
-- Of held hours too, here and for labels: a bad truth goes on holding what it reaches when that is judged again.
SELECT date_trunc('hour', o.at, 'UTC') AS hour, o.event_id, o.conversation_id,
       concat_ws('/', o.conversation_id, o.at) AS told, length(o.outcome) AS characters,
       o.value, o.satisfaction, o.duration_seconds, extract(epoch FROM o.at - now()) / 3600 AS hours_ahead,
       extract(epoch FROM o.learnt_at - o.at) / 3600 AS hours_to_learn,
       c.conversation_id IS NOT NULL AS has_conversation
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state IN ('pending', 'held')
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM outcomes AS o WHERE o.at >= day.low AND o.at < day.high OFFSET 0) AS o
LEFT JOIN conversations AS c USING (conversation_id)
WHERE date_trunc('hour', o.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state IN ('pending', 'held'));

-- name: judged_labels(tasks)
SELECT date_trunc('hour', l.at, 'UTC') AS hour, l.event_id, l.conversation_id, l.turn, l.source, l.source_rank,
       extract(epoch FROM l.at - now()) / 3600 AS hours_ahead, c.conversation_id IS NOT NULL AS has_conversation,
       task.name IS NOT NULL AS has_known_task,
       (SELECT count(*) FROM unnest(l.labels) AS label WHERE NOT label = ANY (task.labels)) AS foreign_labels
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state IN ('pending', 'held')
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM labels AS l WHERE l.at >= day.low AND l.at < day.high OFFSET 0) AS l
LEFT JOIN conversations AS c USING (conversation_id)
LEFT JOIN jsonb_to_recordset(:tasks::jsonb) AS task(name text, labels text[]) ON task.name = l.task
WHERE date_trunc('hour', l.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state IN ('pending', 'held'));

-- name: judged_assignments()
SELECT date_trunc('hour', a.at, 'UTC') AS hour, a.event_id, a.conversation_id, length(a.arm) AS characters, a.unit,
       a.propensity, a.reason, extract(epoch FROM a.at - now()) / 3600 AS hours_ahead,
       c.conversation_id IS NOT NULL AS has_conversation
FROM (SELECT min(hour) AS low, max(hour) + interval '1 hour' AS high
      FROM quality_verdicts
      WHERE state = 'pending'
      GROUP BY date_trunc('day', hour, 'UTC')) AS day
CROSS JOIN LATERAL (SELECT * FROM assignments AS a WHERE a.at >= day.low AND a.at < day.high OFFSET 0) AS a
LEFT JOIN conversations AS c USING (conversation_id)
WHERE date_trunc('hour', a.at, 'UTC') IN (SELECT hour FROM quality_verdicts WHERE state = 'pending');

-- name: stale_facts()
-- The newest hour that has facts, where it lies more than a day back.
SELECT max(hour) AS newest_hour, (SELECT count(*) FROM {batch}) AS judged_rows
FROM quality_verdicts
WHERE hour <= now()
HAVING max(hour) < now() - interval '1 day';

-- name: unusual_volume()
-- Closed hours with less than a fifth or more than five times the turns of the same hour of the four weeks before,
-- where those had 50 on average. Weeks without a turn then do not count.
SELECT hour, turns, usual
FROM (SELECT counted.hour, counted.turns, count(*)::double precision / count(DISTINCT week) AS usual
      FROM (SELECT hour, count(*) AS turns FROM {batch} GROUP BY hour) AS counted
      CROSS JOIN generate_series(1, 4) AS week
      CROSS JOIN LATERAL (
          SELECT
          FROM turns AS t
          WHERE t.at >= counted.hour - week * interval '7 days'
            AND t.at < counted.hour - week * interval '7 days' + interval '1 hour'
          OFFSET 0
      ) AS earlier
      WHERE counted.hour + interval '1 hour' <= now()
      GROUP BY counted.hour, counted.turns) AS compared
WHERE usual >= 50 AND (turns < usual / 5 OR turns > usual * 5);

-- name: many_failures()
-- Hours in which more than a fifth of at least 20 attempts to predict failed. From the log: failures make no facts.
SELECT hour, failures, attempts, (SELECT count(*) FROM {batch}) AS judged_rows
FROM (SELECT verdict.hour, count(*) AS attempts,
             count(*) FILTER (WHERE event_type = 'error' OR data ->> 'is_fallback' = 'true'
                                 OR data ->> 'error' IS NOT NULL) AS failures
      FROM quality_verdicts AS verdict
      CROSS JOIN LATERAL (
          SELECT event_type, data
          FROM ml_tracking_events AS e
          WHERE e.id >= uuid_floor(verdict.hour) AND e.id < uuid_floor(verdict.hour + interval '1 hour')
            AND e.event_type IN ('prediction', 'error')
          OFFSET 0
      ) AS attempt
      WHERE verdict.state = 'pending'
      GROUP BY verdict.hour) AS tried
WHERE attempts >= 20 AND failures > attempts * 0.2;

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
        AND p.at >= c.started_at - interval '1 day' AND p.at <= c.last_event_at + interval '1 day'
)
SELECT (SELECT array_agg(event_id::text)
        FROM (SELECT event_id FROM failing ORDER BY event_id LIMIT 100) AS first_ones) AS events,
       (SELECT array_agg(hour) FROM held) AS hours;

-- name: record_results(judged_at, window_start, window_end, table_name, expectation, severity, has_passed, observed, failing_events)*!
INSERT INTO quality_results (judged_at, window_start, window_end, table_name, expectation, severity, has_passed,
                             observed, failing_events)
VALUES (:judged_at, :window_start, :window_end, :table_name, :expectation, :severity, :has_passed, :observed::jsonb,
        :failing_events::uuid[]);

-- name: record_verdicts(hours, facts_versions, states, reasons, judged_at)
-- A verdict holds for the facts it judged: an hour that changed meanwhile stays pending, and its change on the list.
WITH judged AS (
    SELECT * FROM unnest(:hours::timestamptz[], :facts_versions::bigint[], :states::text[], :reasons::text[])
        AS verdict(hour, facts_version, state, reason)
), unchanged AS (
    SELECT hour
    FROM quality_verdicts JOIN judged USING (hour, facts_version)
    WHERE quality_verdicts.state = 'pending'
    ORDER BY hour
    FOR UPDATE OF quality_verdicts
), written AS (
    UPDATE quality_verdicts AS known
    SET state = judged.state, reason = judged.reason, judged_at = :judged_at
    FROM judged JOIN unchanged USING (hour)
    WHERE known.hour = judged.hour AND known.facts_version = judged.facts_version
    RETURNING known.hour, known.state
), done AS (
    DELETE FROM changed_hours WHERE consumer = 'quality' AND hour IN (SELECT hour FROM written)
)
SELECT state, count(*) AS hours FROM written GROUP BY state;
