-- name: sales()!
-- Of the conversations that started in the hour and whose end is known: sold; revenue per conversation (all of them,
-- also those that brought nothing), one row per currency; and satisfaction where somebody gave it.
INSERT INTO metric_rollups (hour, metric, slice, value, n)
SELECT hour, 'conversion_rate', '', avg(is_sold::integer), count(*)
FROM started
WHERE is_sold IS NOT NULL
GROUP BY hour
UNION ALL
SELECT hour, 'revenue', 'currency=' || currency, sum(value)::double precision / sum(count(*)) OVER of_hour,
       sum(count(*)) OVER of_hour
FROM started
WHERE value IS NOT NULL
GROUP BY hour, currency
WINDOW of_hour AS (PARTITION BY hour)
UNION ALL
SELECT hour, 'satisfaction', '', avg(satisfaction::numeric), count(*)
FROM started
WHERE satisfaction IS NOT NULL
GROUP BY hour;
