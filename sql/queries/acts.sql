-- What the act tagger reads and writes.

-- name: lock(name)$
-- One job of that name at a time, until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext(:name))::text;

-- name: take_hours()
-- Takes the trusted hours of the oldest day off the list; hours that are not trusted wait. Grain: one row per hour;
-- is_read_again where turns changed in it, or the agent told something of its own.
WITH due AS (
    SELECT changed.change
    FROM changed_hours AS changed JOIN trusted_hours USING (hour)
    WHERE changed.consumer = 'acts'
      AND date_trunc('day', changed.hour, 'UTC') = (
          SELECT date_trunc('day', min(oldest.hour), 'UTC')
          FROM changed_hours AS oldest JOIN trusted_hours USING (hour)
          WHERE oldest.consumer = 'acts')
), taken AS (
    DELETE FROM changed_hours WHERE change IN (SELECT change FROM due) RETURNING hour, table_name
)
SELECT hour, bool_or(table_name IN ('turns', 'ml_tracking_events')) AS is_read_again
FROM taken
GROUP BY hour
ORDER BY hour;

-- name: untrusted_hours()$
-- Changed hours that wait for their verdict.
SELECT count(DISTINCT hour) FROM changed_hours WHERE consumer = 'acts';

-- name: retag_hours(tagger, from_at)
-- The trusted hours in which another tagger read something, of the first day from `from_at` on that has any.
WITH due AS (
    SELECT trusted.hour, min(date_trunc('day', trusted.hour, 'UTC')) OVER () AS first_day
    FROM trusted_hours AS trusted
    WHERE trusted.hour >= :from_at
      AND EXISTS (SELECT FROM acts AS a
                  WHERE a.at >= trusted.hour AND a.at < trusted.hour + interval '1 hour' AND a.tagger <> :tagger)
)
SELECT hour FROM due WHERE date_trunc('day', hour, 'UTC') = first_day ORDER BY hour;

-- name: told(low, high, event_types)
-- What the agent told by events of its own between these times. turn: the customer's last one up to the turn that the event
-- names, or up to its time where it names none; null where none is known. is_heeded: an act was read from it before.
SELECT e.id::text AS event_id, e.conversation_id::text AS conversation_id, e.event_type, e.data,
       (SELECT max(t.turn)
        FROM turns AS t
        WHERE t.conversation_id = e.conversation_id AND t.role = 'user' AND t.at >= :low AND t.at < :high
          AND CASE WHEN pg_input_is_valid(named.turn, 'integer') THEN t.turn <= named.turn::integer
                   ELSE t.at <= e.timestamp END) AS turn,
       EXISTS (SELECT
               FROM acts AS a
               WHERE a.conversation_id = e.conversation_id AND a.event_id = e.id AND a.at >= :low AND a.at < :high)
           AS is_heeded
FROM ml_tracking_events AS e
CROSS JOIN LATERAL (
    SELECT coalesce(data ->> 'turn', data ->> 'turn_number', data ->> 'turn_index', data ->> 'message_index') AS turn
) AS named
WHERE e.id >= uuid_floor(:low) AND e.id < uuid_floor(:high) AND e.event_type = ANY (:event_types)
  AND e.conversation_id IS NOT NULL
ORDER BY e.id;

-- name: turns_to_read(low, high, hours, told_in, told_turns, tagger, is_retag)
-- Customer turns of these hours that no tagger has read as they are now; with is_retag those of other taggers too. The told
-- turns (conversations and numbers, side by side) come whatever was read, an hour around. previous: what the agent said
-- last before it. Turns that the log no longer holds are frozen. Grain: one row per turn; acts and tagger as read last.
WITH known AS (
    SELECT conversation_id, turn, at, turn_event_id, min(tagger) AS tagger, array_agg(act) AS acts
    FROM acts
    WHERE at >= :low AND at < :high
    GROUP BY conversation_id, turn, at, turn_event_id
)
SELECT t.conversation_id::text AS conversation_id, t.turn, t.at, t.event_id::text AS event_id, t.content,
       coalesce(c.language, '') AS language, coalesce(c.source, 'agent') AS source,
       coalesce(said.content, '') AS previous, known.acts, known.tagger
FROM turns AS t
LEFT JOIN conversations AS c USING (conversation_id)
LEFT JOIN known ON known.conversation_id = t.conversation_id AND known.turn = t.turn AND known.at = t.at
               AND known.turn_event_id = t.event_id
LEFT JOIN LATERAL (
    SELECT p.content
    FROM turns AS p
    WHERE p.conversation_id = t.conversation_id AND p.turn < t.turn AND p.role = 'assistant'
      AND p.at >= :low AND p.at < :high
    ORDER BY p.turn DESC
    LIMIT 1
) AS said ON true
WHERE t.role = 'user' AND t.at >= :low AND t.at < :high
  AND t.at >= (SELECT now() - retention FROM log_limits)
  AND ((t.conversation_id, t.turn) IN (
           SELECT * FROM unnest(CAST(:told_in AS uuid[]), CAST(:told_turns AS integer[])) AS told(conversation_id, turn))
       OR date_trunc('hour', t.at, 'UTC') = ANY (CAST(:hours AS timestamptz[]))
          AND (known.tagger IS NULL OR :is_retag AND known.tagger <> :tagger))
ORDER BY t.at, t.conversation_id, t.turn;

-- name: forget_orphans(low, high, hours)
-- Acts of these hours whose turn moved or reads otherwise since; they tell how the turn was read before.
WITH gone AS (
    DELETE FROM acts AS a
    WHERE a.at >= :low AND a.at < :high AND date_trunc('hour', a.at, 'UTC') = ANY (CAST(:hours AS timestamptz[]))
      AND NOT EXISTS (
          SELECT
          FROM turns AS t
          WHERE t.conversation_id = a.conversation_id AND t.turn = a.turn AND t.at = a.at
            AND t.event_id = a.turn_event_id AND t.at >= :low AND t.at < :high)
    RETURNING a.*
)
SELECT conversation_id::text AS conversation_id, turn, at, turn_event_id::text AS event_id, min(tagger) AS tagger,
       array_agg(act) AS acts
FROM gone
GROUP BY conversation_id, turn, at, turn_event_id;

-- name: ensure_partitions(hours)!
SELECT ensure_day_partition('acts', day)
FROM (SELECT DISTINCT (hour AT TIME ZONE 'UTC')::date AS day FROM unnest(CAST(:hours AS timestamptz[])) AS hour) AS days
ORDER BY day;

-- name: forget_acts(low, high, conversations, turns)!
DELETE FROM acts AS a
USING unnest(CAST(:conversations AS uuid[]), CAST(:turns AS integer[])) AS read(conversation_id, turn)
WHERE a.conversation_id = read.conversation_id AND a.turn = read.turn AND a.at >= :low AND a.at < :high;

-- name: record_acts(rows)!
INSERT INTO acts (conversation_id, turn, act, at, source, probability, tagger, event_id, turn_event_id)
SELECT conversation_id, turn, act, at, source, probability, tagger, event_id, turn_event_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
    conversation_id uuid, turn integer, act text, at timestamptz, source text, probability double precision,
    tagger text, event_id uuid, turn_event_id uuid);

-- name: announce(hours, conversations)!
-- Names the hours whose acts changed, and those in which their conversations started, to the consumer that counts acts.
INSERT INTO changed_hours (consumer, table_name, hour)
SELECT 'rollups', 'acts', hour
FROM (SELECT unnest(CAST(:hours AS timestamptz[])) AS hour
      UNION
      SELECT date_trunc('hour', started_at, 'UTC')
      FROM conversations
      WHERE conversation_id = ANY (CAST(:conversations AS uuid[]))) AS changed
ORDER BY hour;

-- name: shipped_sequence(writer)$
-- The number of the last record that was counted of a writer. The caller holds the lock: nobody else counts on.
SELECT coalesce((SELECT shipped_sequence FROM capture_writers WHERE writer = CAST(:writer AS uuid)), 0);

-- name: append(batch)$
SELECT append_events(CAST(:batch AS jsonb));

-- name: languages(ids)
-- The language of each of these conversations of which it is known.
SELECT conversation_id::text AS conversation_id, language
FROM conversations
WHERE conversation_id = ANY (CAST(:ids AS uuid[])) AND language IS NOT NULL;

-- name: current_tagger()^
-- The tagger that reads; no row where none was ever promoted.
SELECT t.version, t.digest, t.document
FROM decisions AS d JOIN act_taggers AS t USING (version)
WHERE d.kind = 'act_tagger' AND d.verdict = 'PROMOTE'
ORDER BY d.decided_at DESC
LIMIT 1;

-- name: next_number()$
SELECT count(*) + 1 FROM act_taggers;

-- name: save_tagger(version, digest, document)!
INSERT INTO act_taggers (version, digest, document) VALUES (:version, :digest, :document);

-- name: record_decision(version, verdict, reason, evidence, actor)!
INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)
VALUES ('act_tagger', 'acts', 'detect', :version, :verdict, :reason, CAST(:evidence AS jsonb), :actor);

-- name: taggers()
-- Every tagger with the latest decision about it.
SELECT t.version, t.digest, t.made_at, d.verdict, d.reason
FROM act_taggers AS t
LEFT JOIN LATERAL (
    SELECT verdict, reason
    FROM decisions
    WHERE kind = 'act_tagger' AND version = t.version
    ORDER BY decided_at DESC
    LIMIT 1
) AS d ON true
ORDER BY t.made_at;
