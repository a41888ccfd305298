-- name: sales()!
-- Of the conversations that started in the hour: how many, how they ended, and what the customers thought.
INSERT INTO metric_rollups (hour, metric, slice, value, n, mean_square)
WITH sliced AS (
    SELECT s.hour, slice, count(*) AS conversations, count(s.is_sold) AS known, count(*) FILTER (WHERE s.is_sold) AS sold,
           count(s.outcome) AS told, count(*) FILTER (WHERE s.outcome = 'abandoned') AS abandoned,
           count(s.satisfaction) AS rated, sum(s.satisfaction::numeric) AS satisfaction,
           sum(s.satisfaction::numeric ^ 2) AS squared_satisfaction
    FROM sales AS s
    JOIN described AS d USING (conversation_id)
    CROSS JOIN unnest(d.slices || ('label_source=' || s.label_source)) AS slice
    WHERE slice IS NOT NULL
    GROUP BY s.hour, slice
)
SELECT hour, metric, slice, total / n, n, squares / n
FROM sliced
CROSS JOIN LATERAL (VALUES
    ('conversations_per_hour', conversations::numeric, 1, NULL::numeric),
    ('conversion_rate', sold, known, NULL),
    ('missing_outcome_rate', conversations - known, conversations, NULL),
    ('abandonment', abandoned, told, NULL),
    ('satisfaction', satisfaction, rated, squared_satisfaction)) AS measured(metric, total, n, squares)
JOIN declared USING (metric)
WHERE dimension = split_part(slice, '=', 1) AND n > 0;
