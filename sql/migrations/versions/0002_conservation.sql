-- Losses are counted by sequence at the door, in the batch's own transaction.

ALTER TABLE capture_writers ADD COLUMN missing bigint NOT NULL DEFAULT 0;
ALTER TABLE capture_writers ADD COLUMN oldest_event timestamptz;
ALTER TABLE log_ledger ALTER COLUMN ids SET STORAGE EXTERNAL;

-- Whether a UUIDv7 carries the millisecond of `at`. The door asks it of every line, so it compares bytes and is planned
-- into the statement; uuid_time, a call each, was a sixth of a batch.
CREATE FUNCTION uuid_carries(id uuid, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
-- Half a microsecond: a double of seconds may lie that far below its millisecond.
RETURN substr(uuid_send(id), 1, 6) = substr(int8send(floor(date_part('epoch', at) * 1000 + 0.0005)::bigint), 3);

DROP FUNCTION reject_event(uuid, bigint, text, text);
DROP FUNCTION report_writer(uuid, bigint, jsonb, bigint, bigint, bigint);

-- The one door into the log. `batch` is an array of
--   {id, conversation_id, event_type, event_category, timestamp, data, client_id, source, writer, sequence}.
-- Stores what is new, rejects what is out of range, writes one ledger entry and moves the writers' counters, all in
-- the caller's transaction. A writer's lines come in the order of their sequences: one that is passed over was lost to
-- damage and counts as quarantined. Sending a batch again changes nothing: ids already known are skipped, and counters
-- only move for sequences above the writer's shipped_sequence.
-- Returns {"stored": n, "duplicate": n, "rejected": n}, counted over all lines of the batch, and {"writers": {writer:
-- its row of capture_writers}}.
CREATE OR REPLACE FUNCTION append_events(batch jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    oldest  timestamptz;
    latest  timestamptz;
    days    date[];
    writers uuid[];
    counts  jsonb;
BEGIN
    SELECT now() - retention, now() + lead INTO oldest, latest FROM log_limits;

    SELECT array_agg(DISTINCT (l.timestamp AT TIME ZONE 'UTC')::date)
               FILTER (WHERE l.timestamp >= oldest AND l.timestamp < latest),
           array_agg(DISTINCT l.writer)
    INTO days, writers
    FROM jsonb_to_recordset(batch) AS l(timestamp timestamptz, writer uuid);

    PERFORM ensure_day_partition('ml_tracking_events', day) FROM unnest(days) AS day;

    -- A batch of a shipper that was killed may still be committing: its writers' rows are waited for here, so that what
    -- follows sees its counters.
    INSERT INTO capture_writers (writer)
    SELECT writer FROM unnest(writers) AS writer
    ON CONFLICT (writer) DO UPDATE SET reported_at = now();

    WITH line AS MATERIALIZED (
        SELECT l.*,
               CASE
                   WHEN l.id IS NULL OR l.event_type IS NULL OR l.event_category IS NULL OR l.data IS NULL
                       THEN 'missing_field'
                   WHEN length(l.event_type) > 50 OR length(l.event_category) > 50 THEN 'name_too_long'
                   WHEN l.timestamp IS NULL OR l.timestamp < oldest OR l.timestamp >= latest
                       THEN 'time_out_of_range'
                   WHEN NOT uuid_carries(l.id, l.timestamp) THEN 'id_time_mismatch'
               END AS reason
        FROM jsonb_to_recordset(batch) AS l(
            id uuid, conversation_id uuid, event_type text, event_category text, timestamp timestamptz, data jsonb,
            client_id text, source text, writer uuid, sequence bigint)
    ), stored AS (
        INSERT INTO ml_tracking_events (id, conversation_id, event_type, event_category, timestamp, data, client_id,
                                        source, writer, sequence)
        SELECT id, conversation_id, event_type, event_category, timestamp, data, client_id,
               coalesce(source, 'agent'), writer, sequence
        FROM line
        WHERE reason IS NULL
        ON CONFLICT (id) DO NOTHING
        RETURNING id, writer, sequence
    ), entry AS (
        INSERT INTO log_ledger (ids)
        SELECT array_agg(id) FROM stored HAVING count(*) > 0
    ), rejected AS (
        INSERT INTO rejected_events (writer, sequence, reason, line)
        SELECT writer, sequence, reason,
               jsonb_build_object('id', id, 'conversation_id', conversation_id, 'event_type', event_type,
                                  'event_category', event_category, 'timestamp', timestamp, 'data', data)
        FROM line
        WHERE reason IS NOT NULL
        ON CONFLICT DO NOTHING
    ), tally AS (
        SELECT known.writer, max(line.sequence) AS through, count(*) AS lines, count(line.reason) AS rejected,
               min(line.timestamp) FILTER (WHERE line.reason IS NULL) AS oldest_event,
               (SELECT count(*) FROM stored
                WHERE stored.writer = known.writer AND stored.sequence > known.shipped_sequence) AS stored
        FROM line JOIN capture_writers AS known
          ON known.writer = line.writer AND line.sequence > known.shipped_sequence
        GROUP BY known.writer
    ), moved AS (
        UPDATE capture_writers AS known
        SET accepted_sequence = greatest(known.accepted_sequence, through),
            shipped_sequence = through,
            stored = known.stored + tally.stored,
            duplicate = known.duplicate + lines - tally.stored - tally.rejected,
            rejected = known.rejected + tally.rejected,
            quarantined = known.quarantined + through - known.shipped_sequence - lines,
            oldest_event = least(known.oldest_event, tally.oldest_event)
        FROM tally
        WHERE tally.writer = known.writer
    )
    SELECT jsonb_build_object('stored', new.lines, 'duplicate', sound.lines - new.lines, 'rejected', sound.rejected)
    INTO counts
    FROM (SELECT count(*) AS lines FROM stored) AS new,
         (SELECT count(*) - count(reason) AS lines, count(reason) AS rejected FROM line) AS sound;

    RETURN counts || jsonb_build_object('writers', (
        SELECT coalesce(jsonb_object_agg(writer, to_jsonb(known)), '{}')
        FROM capture_writers AS known WHERE writer = ANY (writers)));
END $$;

-- Keeps one record that no batch can carry (its JSON or types are broken), under its writer and sequence.
-- Returns the writer's row.
CREATE FUNCTION reject_event(by_writer uuid, at_sequence bigint, because text, raw text) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO rejected_events (writer, sequence, reason, line)
    VALUES (by_writer, at_sequence, because, to_jsonb(raw))
    ON CONFLICT DO NOTHING;

    INSERT INTO capture_writers AS known (writer, accepted_sequence, shipped_sequence, rejected, quarantined)
    VALUES (by_writer, at_sequence, at_sequence, 1, at_sequence - 1)
    ON CONFLICT (writer) DO UPDATE
    SET accepted_sequence = greatest(known.accepted_sequence, at_sequence),
        shipped_sequence = at_sequence,
        rejected = known.rejected + 1,
        quarantined = known.quarantined + at_sequence - known.shipped_sequence - 1,
        reported_at = now()
    WHERE known.shipped_sequence < at_sequence;

    SELECT to_jsonb(known) FROM capture_writers AS known WHERE writer = by_writer;
$$;

-- Says that the writer's records above its shipped_sequence, up to `through`, will never come: kind 'quarantined' (lost
-- to damage) or 'dropped' (given up for newer ones). Saying it again changes nothing. Returns the writer's row.
CREATE FUNCTION skip_records(by_writer uuid, through bigint, kind text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF kind NOT IN ('quarantined', 'dropped') THEN
        RAISE EXCEPTION 'records are skipped as quarantined or dropped, not as %', kind;
    END IF;
    INSERT INTO capture_writers (writer) VALUES (by_writer) ON CONFLICT DO NOTHING;
    UPDATE capture_writers
    SET accepted_sequence = greatest(accepted_sequence, through),
        shipped_sequence = through,
        quarantined = quarantined + CASE kind WHEN 'quarantined' THEN through - shipped_sequence ELSE 0 END,
        dropped = dropped + CASE kind WHEN 'dropped' THEN through - shipped_sequence ELSE 0 END,
        reported_at = now()
    WHERE writer = by_writer AND shipped_sequence < through;
    RETURN (SELECT to_jsonb(known) FROM capture_writers AS known WHERE writer = by_writer);
END $$;

-- A writer says what it was offered, refused, and put on disk (`claimed`); the door counts the rest. Once it is gone and
-- nothing of it is left on disk, what it claimed beyond its last record is missing. Returns the writer's row.
CREATE FUNCTION report_writer(by_writer uuid, offered_calls bigint, refused_calls jsonb, claimed bigint,
                              is_gone boolean) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO capture_writers (writer) VALUES (by_writer) ON CONFLICT DO NOTHING;

    -- What it offered is said a second late at most; it is at least what it put on disk and refused.
    UPDATE capture_writers
    SET offered = greatest(offered, offered_calls, greatest(accepted_sequence + missing, claimed) + (
            SELECT coalesce(sum(calls::bigint), 0)::bigint FROM jsonb_each_text(refused_calls) AS r(reason, calls))),
        refused = refused_calls,
        accepted_sequence = CASE WHEN is_gone THEN shipped_sequence ELSE greatest(accepted_sequence, claimed) END,
        missing = CASE WHEN is_gone THEN greatest(accepted_sequence + missing, claimed) - shipped_sequence ELSE 0 END,
        reported_at = now()
    WHERE writer = by_writer;

    SELECT to_jsonb(known) FROM capture_writers AS known WHERE writer = by_writer;
$$;

-- Each writer's account as it stands now, both equations closed.
CREATE OR REPLACE VIEW facade_writers AS
SELECT writer,
       accepted_sequence + missing + (
           SELECT coalesce(sum(calls::bigint), 0)::bigint FROM jsonb_each_text(refused) AS r(reason, calls)) AS offered,
       refused, accepted_sequence, shipped_sequence, stored, duplicate, rejected, quarantined, dropped, first_seen,
       reported_at, missing,
       accepted_sequence - stored - duplicate - rejected - quarantined - dropped AS spooled
FROM capture_writers;

REVOKE ALL ON FUNCTION uuid_carries(uuid, timestamptz), reject_event(uuid, bigint, text, text),
    skip_records(uuid, bigint, text), report_writer(uuid, bigint, jsonb, bigint, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reject_event(uuid, bigint, text, text), skip_records(uuid, bigint, text),
    report_writer(uuid, bigint, jsonb, bigint, boolean) TO ml_capture;
