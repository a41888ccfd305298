-- name: revenue()!
-- Money per conversation whose worth is known, one row per currency: n counts those of all currencies. Each slice has a
-- row `currency=` in every hour, for what was told without a currency, so that its n is there where a currency has no row.
INSERT INTO metric_rollups (hour, metric, slice, value, n, mean_square)
WITH priced AS (
    SELECT s.hour, slice, s.currency, s.value, s.net_value
    FROM sales AS s JOIN described AS d USING (conversation_id) CROSS JOIN unnest(d.slices) AS slice
    WHERE s.is_sold IS NOT NULL AND s.value IS NOT NULL
), counted AS (
    SELECT hour, slice, count(*) AS n FROM priced GROUP BY hour, slice
), summed AS (
    SELECT hour, slice, currency, sum(value) AS value, sum(value ^ 2) AS squared_value, sum(net_value) AS net_value,
           sum(net_value ^ 2) AS squared_net_value
    FROM (SELECT * FROM priced UNION ALL SELECT hour, slice, '', 0, 0 FROM counted) AS told
    GROUP BY hour, slice, currency
)
SELECT hour, metric, 'currency=' || currency || CASE slice WHEN '' THEN '' ELSE ',' || slice END, total / n, n, squares / n
FROM summed
JOIN counted USING (hour, slice)
CROSS JOIN LATERAL (VALUES ('revenue', value, squared_value),
                           ('net_revenue', net_value, squared_net_value)) AS measured(metric, total, squares)
JOIN declared USING (metric)
WHERE dimension = CASE slice WHEN '' THEN 'currency' ELSE split_part(slice, '=', 1) END;
