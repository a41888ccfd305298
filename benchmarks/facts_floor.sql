-- One day of a sales floor, straight into the log and the facts, as the projection would have left them. Each statement
-- works on the temporary tables of the one before.
-- Per conversation: 16 turns, answers of two versions for three tasks on the 8 of the customer, an outcome; human labels
-- on two in five, an arm on every second, a late sale from the CRM on one in ten, a failure on one in fifty.

-- name: open_day()!
-- No commit waits for the disk, and no sort goes there.
SET LOCAL synchronous_commit = off;
SET LOCAL work_mem = '256MB';

-- name: draw(seed)$
SELECT setseed(:seed)::text;

-- name: make_partitions(first, last)!
SELECT ensure_day_partition(parent, day::date)
FROM unnest(ARRAY['ml_tracking_events', 'turns', 'predictions', 'acts']) AS parent
CROSS JOIN generate_series(:first::timestamptz, :last::timestamptz, '1 day') AS day;

-- name: make_experiment(at)!
INSERT INTO ml_experiments (id, name, experiment_type, status, config, created_at)
VALUES ('00000000-0000-4000-8000-00000000e001', 'greeting', 'greeting', 'running',
        '{"arms": [{"name": "plain", "weight": 1}, {"name": "warm", "weight": 1}], "traffic": 0.5}', :at)
ON CONFLICT DO NOTHING;

-- name: make_calls(low, high, calls)!
-- `calls` conversations, evenly over [low, high).
CREATE TEMPORARY TABLE call ON COMMIT DROP AS
SELECT md5(:low || ' ' || number)::uuid AS conversation_id, 'call-' || :low || '-' || number AS client_id, number,
       date_trunc('milliseconds', :low::timestamptz
                  + (:high::timestamptz - :low::timestamptz) * ((number + random()) / :calls)) AS started_at,
       (ARRAY['es', 'en'])[1 + (random() < 0.4)::integer] AS language,
       (ARRAY['PRIME', 'LONGEVITY'])[1 + (random() < 0.3)::integer] AS program,
       (ARRAY['web', 'mobile', 'api', 'embedded'])[1 + floor(random() * 4)::integer] AS platform,
       random() < 0.12 AS is_sold, (random() * 20)::integer * 25 + 100 AS price, 1 + floor(random() * 5) AS satisfaction,
       random() < 0.4 AS is_labelled, random() AS luck
FROM generate_series(0, :calls - 1) AS number;

-- name: make_turns()!
CREATE TEMPORARY TABLE said ON COMMIT DROP AS
SELECT c.conversation_id, c.client_id, c.language, c.program, c.platform, turn, c.is_sold, c.is_labelled,
       c.started_at + turn * interval '9 seconds' AS at,
       (ARRAY['assistant', 'user'])[1 + mod(turn, 2)] AS role,
       (ARRAY['greeting', 'exploration', 'presentation', 'objection_handling', 'closing'])[1 + turn / 4] AS phase,
       'Turn ' || turn || ' of ' || c.client_id || ', about as long as people speak: some sixty characters.' AS content
FROM call AS c CROSS JOIN generate_series(0, 15) AS turn;

-- name: make_answers()!
-- The likelier label is the true one more often for the model than for the caller.
CREATE TEMPORARY TABLE answer ON COMMIT DROP AS
SELECT s.conversation_id, s.client_id, s.turn, s.at + interval '80 ms' AS at, task, mode, version, s.phase, top,
       version <> 'caller' AS is_served, floor(exp(2.2 + 0.6 * (random() + random() + random() - 1.5)) * 1000) / 1000
           AS latency_ms,
       CASE WHEN task = 'conversion' THEN jsonb_build_object('sold', top)
            ELSE jsonb_build_object(names[1], top, names[2], least(rest, 1), names[3], rest / 2, names[4], rest / 3,
                                    names[5], rest / 4, names[6], 0.01) END AS probabilities,
       CASE WHEN top < 0.5 THEN ARRAY[]::text[] ELSE ARRAY[names[1]] END AS labels
FROM (SELECT s.*, task, mode, version, names, floor(power(random(), CASE version WHEN 'caller' THEN 1 ELSE 1.4 END) * 1000)
                 / 1000 AS top, floor(random() * 400) / 1000 AS rest
      FROM said AS s
      CROSS JOIN (VALUES
          ('objection', 'anticipate', ARRAY['price', 'trust', 'need', 'urgency', 'features', 'competition']),
          ('needs', 'detect', ARRAY['roi', 'pricing', 'support', 'information', 'features', 'integration']),
          ('conversion', 'anticipate', ARRAY['sold'])) AS asked(task, mode, names)
      CROSS JOIN LATERAL (VALUES ('caller'), (task || '.' || mode || '/1')) AS by(version)
      WHERE s.role = 'user') AS s;

-- name: make_labels()!
CREATE TEMPORARY TABLE told ON COMMIT DROP AS
SELECT conversation_id, client_id, turn, at + interval '1 hour' AS at, task, 'human' AS source, 1::smallint AS source_rank,
       CASE WHEN random() < 0.25 THEN ARRAY[likely] WHEN random() < 0.1 THEN ARRAY[rare] ELSE '{}' END AS labels,
       NULL::numeric AS value, NULL AS currency
FROM said CROSS JOIN (VALUES ('objection', 'price', 'trust'), ('needs', 'roi', 'support')) AS kinds(task, likely, rare)
WHERE is_labelled AND role = 'user'
UNION ALL
SELECT conversation_id, client_id, NULL, started_at + luck * 50 * interval '1 day', 'conversion', 'crm', 2,
       ARRAY['sold'], price, 'USD'
FROM call
WHERE luck < 0.1 AND NOT is_sold;

-- name: make_events(low, until)!
-- The log's lines in the order of their time; what lies beyond `until` is not known yet.
CREATE TEMPORARY TABLE line ON COMMIT DROP AS
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(chance, 1, 3) || '8'
        || substr(chance, 4, 15))::uuid AS id, made.*
FROM (SELECT *, md5(conversation_id || event_type || row_number() OVER () || :low) AS chance
      FROM (SELECT conversation_id, client_id, 'turn' AS event_type, 'conversation' AS event_category, at,
                   jsonb_build_object('turn', turn, 'role', role, 'content', content, 'language', language,
                                      'conversation', jsonb_build_object('language', language, 'program', program,
                                                                         'platform', platform)) AS data
            FROM said
            UNION ALL
            SELECT conversation_id, client_id, 'prediction', 'prediction', at,
                   jsonb_build_object('turn', turn, 'task', task, 'mode', mode, 'version', version, 'probabilities',
                                      probabilities, 'labels', labels, 'is_served', is_served, 'latency_ms', latency_ms,
                                      'feature_revision', 1, 'context', jsonb_build_object('phase', phase))
            FROM answer
            UNION ALL
            SELECT conversation_id, client_id, 'outcome', 'outcome', started_at + interval '3 minutes',
                   jsonb_build_object('outcome', CASE WHEN is_sold THEN 'converted' ELSE 'completed' END,
                                      'conversion_value', CASE WHEN is_sold THEN price ELSE 0 END, 'currency', 'USD',
                                      'satisfaction', satisfaction, 'duration_seconds', 150)
            FROM call
            UNION ALL
            SELECT conversation_id, client_id, 'label', 'feedback', at,
                   jsonb_build_object('task', task, 'labels', labels, 'source', source, 'turn', turn, 'value', value,
                                      'currency', currency)
            FROM told
            UNION ALL
            SELECT conversation_id, client_id, 'assignment', 'experiment', started_at,
                   jsonb_build_object('experiment', 'greeting', 'experiment_id', '00000000-0000-4000-8000-00000000e001',
                                      'arm', (ARRAY['plain', 'warm'])[1 + mod(number / 2, 2)], 'unit', 'conversation',
                                      'unit_id', conversation_id, 'propensity', 0.5, 'reason', 'drawn', 'turn', 0,
                                      'policy', jsonb_build_object('epoch', 1, 'n', 1))
            FROM call
            WHERE mod(number, 2) = 0
            UNION ALL
            SELECT conversation_id, client_id, 'error', 'system', started_at + interval '1 minute',
                   jsonb_build_object('reason', 'predict_failed', 'where', 'predictor', 'count', 1)
            FROM call
            WHERE mod(number, 50) = 0) AS known
      WHERE at < :until) AS made
ORDER BY id;

-- name: fill_log()!
INSERT INTO ml_tracking_events (id, conversation_id, event_type, event_category, timestamp, data, created_at, client_id,
                                writer, sequence)
SELECT id, conversation_id, event_type, event_category, at, data, at, client_id, '00000000-0000-4000-8000-00000000f100',
       row_number() OVER ()
FROM line;

-- name: fill_conversations()!
INSERT INTO conversations (conversation_id, client_id, source, started_at, last_event_at, language, program, platform)
SELECT conversation_id, client_id, 'agent', started_at, started_at + interval '3 minutes', language, program, platform
FROM call;

-- name: fill_turns()!
INSERT INTO turns (conversation_id, turn, at, role, content, event_id)
SELECT conversation_id, (data ->> 'turn')::integer, at, data ->> 'role', data ->> 'content', id
FROM line
WHERE event_type = 'turn';

-- name: fill_predictions()!
INSERT INTO predictions (conversation_id, turn, task, mode, version, at, probabilities, labels, is_served, latency_ms,
                         feature_revision, context, event_id)
SELECT conversation_id, (data ->> 'turn')::integer, data ->> 'task', data ->> 'mode', data ->> 'version', at,
       data -> 'probabilities', ARRAY(SELECT jsonb_array_elements_text(data -> 'labels')),
       (data ->> 'is_served')::boolean, (data ->> 'latency_ms')::double precision, 1, data -> 'context', id
FROM line
WHERE event_type = 'prediction';

-- name: fill_outcomes()!
INSERT INTO outcomes (event_id, conversation_id, at, learnt_at, outcome, is_sold, value, currency, satisfaction,
                      duration_seconds, source)
SELECT id, conversation_id, at, at, data ->> 'outcome', data ->> 'outcome' = 'converted',
       (data ->> 'conversion_value')::numeric, 'USD', (data ->> 'satisfaction')::double precision, 150, 'agent'
FROM line
WHERE event_type = 'outcome';

-- name: fill_labels()!
INSERT INTO labels (event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency)
SELECT id, conversation_id, (data ->> 'turn')::integer, data ->> 'task',
       ARRAY(SELECT jsonb_array_elements_text(data -> 'labels')), data ->> 'source',
       CASE data ->> 'source' WHEN 'human' THEN 1 ELSE 2 END, at, at, (data ->> 'value')::numeric, data ->> 'currency'
FROM line
WHERE event_type = 'label';

-- name: fill_assignments()!
INSERT INTO assignments (conversation_id, experiment_id, experiment, arm, unit, unit_id, propensity, reason, at,
                         policy_epoch, policy_n, event_id)
SELECT conversation_id, (data ->> 'experiment_id')::uuid, 'greeting', data ->> 'arm', 'conversation', data ->> 'unit_id',
       0.5, 'drawn', at, 1, 1, id
FROM line
WHERE event_type = 'assignment';

-- name: fill_acts()!
INSERT INTO acts (conversation_id, turn, act, at, source, probability, tagger, event_id, turn_event_id)
SELECT conversation_id, (data ->> 'turn')::integer,
       (ARRAY['objection_price', 'need_roi', 'price_question', 'agreement', 'hesitation'])[1 + floor(random() * 5)::integer],
       at, 'model', 0.8, 'acts/1', id, id
FROM line
WHERE event_type = 'turn' AND data ->> 'role' = 'user' AND random() < 0.3;

-- name: trust(low, high)!
INSERT INTO quality_verdicts (hour, state, judged_at)
SELECT hour, 'trusted', hour + interval '1 hour'
FROM generate_series(date_trunc('hour', :low::timestamptz, 'UTC'), :high::timestamptz - interval '1 second', '1 hour') AS hour
ON CONFLICT DO NOTHING;

-- name: settle()!
-- One writer's account says what the log holds.
INSERT INTO capture_writers (writer, offered, accepted_sequence, shipped_sequence, stored)
SELECT '00000000-0000-4000-8000-00000000f100', count(*), count(*), count(*), count(*) FROM ml_tracking_events
ON CONFLICT DO NOTHING;
SET LOCAL default_statistics_target = 10;   -- a hundred would read for a minute
ANALYZE;
