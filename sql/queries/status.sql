-- What `ml-pipeline status --reconcile` asks.

-- name: reconcile_writers()
-- Grain: one row per writer and rule that does not hold; none where the counters and the rows agree. Reads the whole log.
-- Rows are compared with stored for as long as the day of the writer's oldest event is kept; it goes first.
WITH logged AS (
    SELECT writer, count(*) AS rows, count(DISTINCT sequence) AS sequences, max(sequence) AS last
    FROM ml_tracking_events
    GROUP BY writer
), refused AS (
    SELECT writer, count(*) AS rows, count(*) FILTER (WHERE is_logged) AS logged, max(sequence) AS last
    FROM (SELECT writer, sequence,
                 EXISTS (SELECT FROM ml_tracking_events AS e WHERE e.writer = r.writer AND e.sequence = r.sequence)
                     AS is_logged
          FROM rejected_events AS r) AS each
    GROUP BY writer
), rule AS (
    SELECT coalesce(w.writer, logged.writer, refused.writer) AS writer, r.rule, r.counted, r.found
    FROM capture_writers AS w
    FULL JOIN logged ON logged.writer = w.writer
    FULL JOIN refused ON refused.writer = coalesce(w.writer, logged.writer)
    CROSS JOIN LATERAL (
        SELECT w.oldest_event IS NULL OR to_regclass(
            'ml_tracking_events' || to_char(w.oldest_event AT TIME ZONE 'UTC', '_YYYYMMDD')) IS NOT NULL AS is_kept
    ) AS d
    CROSS JOIN LATERAL (VALUES
        ('rows stored', CASE WHEN d.is_kept THEN coalesce(w.stored, 0) ELSE coalesce(logged.rows, 0) END,
            coalesce(logged.rows, 0)),
        ('rows rejected', coalesce(w.rejected, 0), coalesce(refused.rows, 0)),
        ('sequences of the rows stored, each once', coalesce(logged.rows, 0), coalesce(logged.sequences, 0)),
        ('rejected and stored as well', 0, coalesce(refused.logged, 0)),
        ('records up to the last shipped', coalesce(w.shipped_sequence, 0),
            coalesce(w.stored + w.duplicate + w.rejected + w.quarantined + w.dropped, 0)),
        ('sequences above the last shipped', 0,
            greatest(greatest(coalesce(logged.last, 0), coalesce(refused.last, 0)) - coalesce(w.shipped_sequence, 0), 0)),
        ('spooled below nothing', 0,
            greatest(coalesce(w.stored + w.duplicate + w.rejected + w.quarantined + w.dropped, 0)
                     - coalesce(w.accepted_sequence, 0), 0))
    ) AS r(rule, counted, found)
)
SELECT writer::text, rule, counted::bigint, found::bigint
FROM rule
WHERE counted <> found
ORDER BY writer, rule;
