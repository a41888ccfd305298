-- What `ml-pipeline events rejected` asks: refused by the door (never in the log), and unusable to the projection (in the
-- log, no fact). Nothing of what the events say: where Postgres could not read a record its message may quote it, so that
-- only the words before the colon are shown.

-- name: count_rejected(since, reason)
SELECT refused_by, reason, count(*) AS events, max(seen_at) AS latest
FROM (SELECT 'door' AS refused_by, split_part(reason, ':', 1) AS reason, rejected_at AS seen_at FROM rejected_events
      UNION ALL
      SELECT 'projection', reason, arrived_at FROM unprojected_events) AS rejected
WHERE seen_at >= :since AND (:reason::text IS NULL OR reason = :reason)
GROUP BY refused_by, reason
ORDER BY events DESC, refused_by, reason;

-- name: list_rejected(since, reason, limit)
-- The latest seen first. A record that the door could not read has no id and no type.
SELECT *
FROM (SELECT rejected_at AS seen_at, 'door' AS refused_by, split_part(reason, ':', 1) AS reason, line ->> 'id' AS event_id,
             left(line ->> 'event_type', 50) AS event_type, writer::text, sequence
      FROM rejected_events
      UNION ALL
      SELECT arrived_at, 'projection', reason, event_id::text, event_type, NULL, NULL
      FROM unprojected_events) AS rejected
WHERE seen_at >= :since AND (:reason::text IS NULL OR reason = :reason)
ORDER BY seen_at DESC, event_id, writer, sequence
LIMIT :limit;
