-- Facts made again beside the live ones, in one transaction; a rebuild that is killed leaves nothing. work_beside has the
-- names of the facts mean its own tables; the live ones are called public.<name> here.
--   read_events (id)          events that were read, whatever became of them
--   seeded                    what is kept of conversations that began before the edge
--   suspects                  conversations in which something differs, or that something arrived for meanwhile

-- name: first_complete_day()$
-- The day of the oldest partition of the log; null without any. Facts of earlier days are frozen.
SELECT min(to_date(right(relname, 8), 'YYYYMMDD'))::timestamp AT TIME ZONE 'UTC'
FROM pg_inherits JOIN pg_class ON oid = inhrelid
WHERE inhparent = 'ml_tracking_events'::regclass;

-- name: open_reading()!
CREATE TEMPORARY TABLE read_events (id uuid NOT NULL) ON COMMIT DROP;
CREATE TEMPORARY TABLE suspects (conversation_id uuid NOT NULL) ON COMMIT DROP;

-- name: see_frozen(edge)!
-- What events before the edge say of conversations that go on after it, as the live row has it.
CREATE TEMPORARY VIEW frozen_conversations AS
SELECT c.conversation_id, c.client_id, c.source,
       CASE WHEN told.by ? 'customer_key' THEN c.customer_key END AS customer_key, c.started_at,
       c.started_at AS last_event_at,
       CASE WHEN told.by ? 'language' THEN c.language END AS language,
       CASE WHEN told.by ? 'program' THEN c.program END AS program,
       CASE WHEN told.by ? 'platform' THEN c.platform END AS platform,
       CASE WHEN told.by ? 'age_band' THEN c.age_band END AS age_band, told.by AS told_by
FROM public.conversations AS c
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(name, event_id), '{}') AS by
    FROM jsonb_each_text(c.told_by) AS each(name, event_id)
    WHERE event_id::uuid < uuid_floor(:edge)) AS told
WHERE c.started_at < :edge AND c.last_event_at >= :edge;

-- name: seed(edge)!
-- An event from the edge on may tell again what was told in the day before it, and be superseded by what was told earlier.
INSERT INTO conversations SELECT * FROM frozen_conversations;
CREATE TEMPORARY TABLE seeded ON COMMIT DROP AS SELECT * FROM conversations;
INSERT INTO turns SELECT * FROM public.turns WHERE at >= :edge::timestamptz - interval '1 day' AND at < :edge;
INSERT INTO predictions SELECT * FROM public.predictions WHERE at >= :edge::timestamptz - interval '1 day' AND at < :edge;
INSERT INTO outcomes SELECT * FROM public.outcomes WHERE at < :edge AND supersedes IS NOT NULL;
INSERT INTO labels SELECT * FROM public.labels WHERE at < :edge AND supersedes IS NOT NULL;
INSERT INTO assignments
SELECT * FROM public.assignments WHERE at < :edge AND conversation_id IN (SELECT conversation_id FROM seeded);

-- name: enter_unread(edge)$
-- Names the events that were not read yet to the ledger beside, in the order of their times; returns how many. Those that
-- wait in the live ledger are not facts yet there either.
WITH unread AS MATERIALIZED (
    SELECT e.id, (row_number() OVER (ORDER BY e.id) - 1) / 1000 AS part
    FROM ml_tracking_events AS e
    WHERE e.id >= uuid_floor(:edge)
      AND NOT EXISTS (SELECT FROM read_events AS r WHERE r.id = e.id)
      AND NOT EXISTS (SELECT FROM public.log_ledger CROSS JOIN unnest(ids) AS waiting(id) WHERE waiting.id = e.id)
), noted AS (
    INSERT INTO read_events SELECT id FROM unread
), entered AS (
    INSERT INTO log_ledger (ids)
    SELECT array_agg(id ORDER BY id) FROM unread GROUP BY part ORDER BY part
)
SELECT count(*) FROM unread;

-- name: close_batch()!
DROP TABLE IF EXISTS pg_temp.arrived, pg_temp.touched, pg_temp.reached;

-- name: suspect_batch()!
INSERT INTO suspects SELECT DISTINCT conversation_id FROM arrived WHERE conversation_id IS NOT NULL;

-- name: weigh()!
-- Nobody else counts the rows of temporary tables for the planner.
ANALYZE conversations; ANALYZE turns; ANALYZE predictions; ANALYZE outcomes; ANALYZE labels; ANALYZE assignments;
ANALYZE read_events;

-- name: compare_facts(since, among_suspects)
-- Grain: one row per table of facts, with how many rows of it were compared.
SELECT table_name,
       compare_rebuilt(table_name, scope || CASE
           WHEN :among_suspects AND table_name <> 'unprojected_events'
           THEN ' AND conversation_id IN (SELECT conversation_id FROM suspects)' ELSE '' END) AS compared
FROM (SELECT table_name, CASE table_name
          WHEN 'conversations' THEN
              '(started_at >= ' || day || ' OR conversation_id IN (
                   SELECT conversation_id FROM pg_temp.conversations WHERE last_event_at >= ' || day || '))'
          ELSE 'at >= ' || day END AS scope
      FROM unnest(ARRAY['conversations', 'turns', 'predictions', 'outcomes', 'labels', 'assignments',
                        'unprojected_events']) AS table_name
      CROSS JOIN quote_literal(:since::timestamptz) AS day) AS scoped;

-- name: suspect_differing()!
INSERT INTO suspects
SELECT (coalesce(live, rebuilt) ->> 'conversation_id')::uuid
FROM differing
WHERE coalesce(live, rebuilt) ->> 'conversation_id' IS NOT NULL;

-- name: forget_differing()!
DELETE FROM differing;

-- name: acquit_moved()!
-- Of these something arrived from before the edge, which was not read: they stay as they are.
DELETE FROM suspects
WHERE conversation_id IN (
    SELECT conversation_id
    FROM (SELECT * FROM frozen_conversations) AS now_one FULL JOIN seeded USING (conversation_id)
    WHERE now_one IS DISTINCT FROM seeded);

-- name: ensure_partitions()!
SELECT ensure_day_partition(table_name, day)
FROM (SELECT DISTINCT table_name, ((rebuilt ->> 'at')::timestamptz AT TIME ZONE 'UTC')::date AS day
      FROM differing
      WHERE table_name IN ('turns', 'predictions') AND rebuilt IS NOT NULL) AS days
ORDER BY table_name, day;

-- name: touch_swapped()!
-- As if the batch of an ordinary projection had changed these rows.
INSERT INTO touched
SELECT CASE table_name WHEN 'unprojected_events' THEN 'ml_tracking_events' ELSE table_name END,
       (fact ->> 'conversation_id')::uuid, coalesce(fact ->> 'started_at', fact ->> 'at')::timestamptz,
       table_name <> 'unprojected_events'
FROM differing CROSS JOIN LATERAL (VALUES (live), (rebuilt)) AS either(fact)
WHERE fact IS NOT NULL;
