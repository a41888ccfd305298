-- Facts of many calls out of a few, as the projection would have left them: every copy has times, ids and a customer of
-- its own, and says what its model says.

-- name: open_models()!
SET LOCAL synchronous_commit = off;
SET LOCAL work_mem = '256MB';
CREATE TEMPORARY TABLE model_call (
    number integer, language text, program text, platform text, age_band text, seconds double precision, outcome text,
    is_sold boolean, value numeric
);
CREATE TEMPORARY TABLE model_turn (
    number integer, turn integer, after double precision, role text, content text, context jsonb
);
CREATE TEMPORARY TABLE model_label (
    number integer, turn integer, after double precision, task text, labels text[], source text, source_rank smallint,
    value numeric
);

-- name: tell_models(calls, turns, labels)!
WITH calls AS (
    INSERT INTO model_call SELECT * FROM jsonb_populate_recordset(NULL::model_call, :calls)
), turns AS (
    INSERT INTO model_turn SELECT * FROM jsonb_populate_recordset(NULL::model_turn, :turns)
)
INSERT INTO model_label SELECT * FROM jsonb_populate_recordset(NULL::model_label, :labels);

-- name: make_calls(calls, models, from_at, to_at)!
-- Evenly over [from_at, to_at); some customers call more than once.
CREATE TEMPORARY TABLE call AS
SELECT md5('call ' || copy)::uuid AS conversation_id, mod(copy, :models) AS number,
       md5('customer ' || floor(random() * :calls * 0.75)) AS customer_key,
       :from_at::timestamptz + (:to_at::timestamptz - :from_at::timestamptz) * copy / :calls AS started_at
FROM generate_series(0, :calls - 1) AS copy;
ANALYZE call;

-- name: make_partitions(from_at, to_at)!
SELECT ensure_day_partition(parent, day::date)
FROM unnest(ARRAY['turns', 'predictions']) AS parent
CROSS JOIN generate_series(:from_at::timestamptz, :to_at::timestamptz + interval '1 day', '1 day') AS day;

-- name: fill_conversations()!
INSERT INTO conversations (conversation_id, source, customer_key, started_at, last_event_at, language, program, platform,
                           age_band)
SELECT conversation_id, 'simulated', customer_key, started_at, started_at + seconds * interval '1 second', language,
       program, platform, age_band
FROM call JOIN model_call USING (number);

-- name: fill_turns()!
INSERT INTO turns (conversation_id, turn, at, role, content, event_id)
SELECT conversation_id, turn, started_at + after * interval '1 second', role, content, gen_random_uuid()
FROM call JOIN model_turn USING (number)
ORDER BY started_at;

-- name: fill_predictions(tasks)!
-- The agent's own answers to each of `tasks`, an array of {name, mode, labels}.
INSERT INTO predictions (conversation_id, turn, task, mode, version, at, probabilities, labels, is_served, context,
                         event_id)
SELECT conversation_id, turn, task.name, task.mode, 'caller', started_at + after * interval '1 second',
       (SELECT jsonb_object_agg(label, floor(random() * 100) / 100) FROM jsonb_array_elements_text(task.labels) AS label),
       '{}', true, context, gen_random_uuid()
FROM call JOIN model_turn USING (number)
CROSS JOIN jsonb_to_recordset(CAST(:tasks AS jsonb)) AS task(name text, mode text, labels jsonb)
WHERE role = 'user'
ORDER BY started_at;

-- name: fill_outcomes()!
INSERT INTO outcomes (event_id, conversation_id, at, learnt_at, outcome, is_sold, value, currency, source)
SELECT gen_random_uuid(), conversation_id, ended_at, ended_at, outcome, is_sold, value, 'USD', 'simulated'
FROM call JOIN model_call USING (number)
CROSS JOIN LATERAL (SELECT started_at + seconds * interval '1 second' AS ended_at) AS ended;

-- name: fill_labels()!
INSERT INTO labels (event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value)
SELECT gen_random_uuid(), conversation_id, turn, task, labels, source, source_rank,
       started_at + after * interval '1 second', started_at + after * interval '1 second', value
FROM call JOIN model_label USING (number);

-- name: trust(from_at, to_at)!
INSERT INTO quality_verdicts (hour, state, judged_at)
SELECT hour, 'trusted', hour + interval '1 hour'
FROM generate_series(date_trunc('hour', :from_at::timestamptz, 'UTC'), :to_at::timestamptz + interval '5 days', '1 hour') AS hour;
