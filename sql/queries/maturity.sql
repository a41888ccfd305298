-- What is known of each conversation's sale at `as_of`, counted by age. Statements read known_sales, a temporary table of
-- their transaction. Hours of age are whole ones: an hour of age is looked at once it is over. Slices: '' for all, else one
-- of platform=… or program=….

-- name: lock()$
SELECT pg_advisory_xact_lock(hashtext('mature_rates'))::text;

-- name: read_sales(as_of, start, attribution_hours, refund_hours, min_conversations)!
-- sold_after, lost_after: hours of age at which it was learnt, null for never within the attribution window; before the
-- start, as clocks may have it, is at the start. refunded_after: hours from the sale. sold_for: how long it is sold.
CREATE TEMPORARY TABLE known_sales ON COMMIT DROP AS
WITH known AS MATERIALIZED (
    SELECT s.*, extract(epoch FROM :as_of::timestamptz - s.started_at)::double precision / 3600 AS age,
           extract(epoch FROM s.sold_learnt_at - s.started_at)::double precision / 3600 AS sold_after,
           extract(epoch FROM s.lost_learnt_at - s.started_at)::double precision / 3600 AS lost_after,
           extract(epoch FROM s.refunded_learnt_at - s.sold_learnt_at)::double precision / 3600 AS refunded_after,
           extract(epoch FROM :as_of::timestamptz - s.sold_learnt_at)::double precision / 3600 AS sold_for
    FROM sales_as_of(:as_of, :start, :as_of) AS s
    JOIN trusted_hours AS trusted ON trusted.hour = date_trunc('hour', s.started_at, 'UTC')
), slice AS MATERIALIZED (
    -- What an agent made up, or said once, gets no row of its own.
    SELECT slice
    FROM known CROSS JOIN unnest(ARRAY['platform=' || platform, 'program=' || program]) AS slice
    WHERE slice IS NOT NULL
    GROUP BY slice
    HAVING count(*) >= :min_conversations
)
SELECT started_at, age, least(floor(age), :attribution_hours)::integer AS watched,
       CASE WHEN sold_after < :attribution_hours THEN greatest(sold_after, 0) END AS sold_after,
       CASE WHEN lost_after < :attribution_hours THEN greatest(lost_after, 0) END AS lost_after,
       CASE WHEN refunded_after < :refund_hours THEN greatest(refunded_after, 0) END AS refunded_after,
       least(floor(sold_for), :refund_hours)::integer AS sold_for, value, net_value, currency,
       ARRAY(SELECT '' UNION ALL
             SELECT slice FROM slice WHERE slice IN ('platform=' || platform, 'program=' || program)) AS slices
FROM known;

-- name: count_reference(start, end)
-- Grain: one row per (slice, start day, kind, hour of age): when it was sold; else when it was lost, for a sale may follow a
-- loss, and then there was none; else, as left, up to which hour it was watched.
SELECT slice, floor(extract(epoch FROM started_at - :start::timestamptz) / 86400)::integer AS day,
       CASE WHEN sold_after < watched THEN 'sold' WHEN lost_after < watched THEN 'lost' ELSE 'left' END AS kind,
       CASE WHEN sold_after < watched THEN floor(sold_after) WHEN lost_after < watched THEN floor(lost_after)
            ELSE watched END::integer AS hour,
       count(*) AS n
FROM known_sales CROSS JOIN unnest(slices) AS slice
WHERE started_at >= :start AND started_at < :end
GROUP BY 1, 2, 3, 4;

-- name: count_refunds(start, end)
-- Grain: one row per (slice, hours from the sale to its refund, null where there was none).
SELECT slice, CASE WHEN refunded_after < sold_for THEN floor(refunded_after) END::integer AS hour, count(*) AS n
FROM known_sales CROSS JOIN unnest(slices) AS slice
WHERE started_at >= :start AND started_at < :end AND sold_after IS NOT NULL
GROUP BY 1, 2;

-- name: count_windows(starts, ends, refund_hours)
-- Grain: one row per (window, slice, hour of present age). open: neither sold nor lost. refundable: sold, and the refund
-- window not over.
SELECT w.start, w."end", slice, watched, count(*) AS n, count(sold_after) AS sold,
       count(*) FILTER (WHERE sold_after IS NULL AND lost_after IS NULL) AS open,
       count(*) FILTER (WHERE sold_after IS NOT NULL AND refunded_after IS NULL AND sold_for < :refund_hours) AS refundable
FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) AS w(start, "end")
JOIN known_sales ON started_at >= w.start AND started_at < w."end"
CROSS JOIN unnest(slices) AS slice
GROUP BY 1, 2, 3, 4;

-- name: sum_revenue(starts, ends)
-- Grain: one row per (window, slice, currency, hours since the sale): what sales brought, and what is left of it.
SELECT w.start, w."end", slice, currency, sold_for, sum(value)::double precision AS gross,
       sum(net_value)::double precision AS net
FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) AS w(start, "end")
JOIN known_sales ON started_at >= w.start AND started_at < w."end" AND sold_after IS NOT NULL AND value IS NOT NULL
CROSS JOIN unnest(slices) AS slice
GROUP BY 1, 2, 3, 4, 5;

-- name: recent_sales(start, end)
-- Grain: one row per (slice, start day, hour of present age, hour of age at the sale).
SELECT slice, floor(extract(epoch FROM started_at - :start::timestamptz) / 86400)::integer AS day, watched AS age,
       floor(sold_after)::integer AS delay, count(*) AS n
FROM known_sales CROSS JOIN unnest(slices) AS slice
WHERE started_at >= :start AND started_at < :end AND sold_after < watched
GROUP BY 1, 2, 3, 4;

-- name: forget_curves(as_of)!
-- One set a day is kept, its latest.
DELETE FROM delay_curves WHERE as_of >= date_trunc('day', :as_of::timestamptz, 'UTC') AND as_of <= :as_of;

-- name: forget_rates(as_of)!
DELETE FROM matured_rates WHERE as_of >= date_trunc('day', :as_of::timestamptz, 'UTC') AND as_of <= :as_of;

-- name: record_curve(as_of, slice, reference_start, reference_end, n, sales, age_hours, cif, open_share, known_share, dispersion)*!
INSERT INTO delay_curves (as_of, slice, reference_start, reference_end, n, sales, age_hours, cif, open_share, known_share,
                          dispersion)
VALUES (:as_of, :slice, :reference_start, :reference_end, :n, :sales, :age_hours, :cif, :open_share, :known_share,
        :dispersion);

-- name: record_rate(as_of, window_start, window_end, slice, n_total, n_mature, sold, naive_rate, corrected_rate, low, high, settled_share, curve_slice, revenue, is_provisional, reason)*!
INSERT INTO matured_rates (as_of, window_start, window_end, slice, n_total, n_mature, sold, naive_rate, corrected_rate, low,
                           high, settled_share, curve_slice, revenue, is_provisional, reason)
VALUES (:as_of, :window_start, :window_end, :slice, :n_total, :n_mature, :sold, :naive_rate, :corrected_rate, :low, :high,
        :settled_share, :curve_slice, CAST(:revenue AS jsonb), :is_provisional, :reason);

-- name: is_delay_checked(window_end)$
SELECT EXISTS (SELECT FROM drift_checks WHERE window_end = :window_end AND kind = 'delay' AND p_value IS NOT NULL);

-- name: current_rates()
SELECT * FROM current_matured_rates;
