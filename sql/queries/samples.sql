-- Replayed sources: one row each, written before the first replay so that every later one uses the same shift.

-- name: lock()$
-- One replay at a time decides on the shift.
SELECT pg_advisory_xact_lock(hashtext('replayed_sources'))::text;

-- name: shift_of(source)$
SELECT shift FROM replayed_sources WHERE source = :source;

-- name: record(source, is_simulated, shift, first_at, last_at)!
INSERT INTO replayed_sources (source, is_simulated, shift, first_at, last_at)
VALUES (:source, :is_simulated, :shift, :first_at, :last_at)
ON CONFLICT (source) DO UPDATE
SET is_simulated = excluded.is_simulated,
    shift = excluded.shift,
    first_at = excluded.first_at,
    last_at = excluded.last_at,
    replayed_at = now();
