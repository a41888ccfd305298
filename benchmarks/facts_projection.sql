-- name: forget(low, high)!
-- As if the events of [low, high) had not been projected yet.
DELETE FROM turns WHERE at >= :low AND at < :high;
DELETE FROM predictions WHERE at >= :low AND at < :high;
DELETE FROM outcomes WHERE at >= :low AND at < :high;
DELETE FROM labels WHERE at >= :low AND at < :high;
DELETE FROM assignments WHERE at >= :low AND at < :high;
DELETE FROM conversations WHERE started_at >= :low AND started_at < :high;
DELETE FROM changed_hours;
DELETE FROM log_ledger;

-- name: list_days()
SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent IN ('turns'::regclass, 'predictions'::regclass);

-- name: name(low, high)!
-- Entries of 1,000, as the shipper sends them.
INSERT INTO log_ledger (ids)
SELECT array_agg(id ORDER BY id)
FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / 1000 AS batch
      FROM ml_tracking_events
      WHERE id >= uuid_floor(:low) AND id < uuid_floor(:high)) AS waiting
GROUP BY batch
ORDER BY batch;

-- name: count_missing(low, high)$
-- Events that should be facts and are not.
SELECT count(*)
FROM ml_tracking_events AS e
WHERE e.id >= uuid_floor(:low) AND e.id < uuid_floor(:high) AND e.event_type IN ('turn', 'prediction', 'outcome', 'label')
  AND NOT EXISTS (SELECT FROM turns AS f WHERE f.at >= :low AND f.at < :high AND f.event_id = e.id)
  AND NOT EXISTS (SELECT FROM predictions AS f WHERE f.at >= :low AND f.at < :high AND f.event_id = e.id)
  AND NOT EXISTS (SELECT FROM outcomes AS f WHERE f.event_id = e.id)
  AND NOT EXISTS (SELECT FROM labels AS f WHERE f.event_id = e.id);
