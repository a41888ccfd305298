-- name: truth()!
-- Answers against what came true, over (answer, label). A metric without a denominator has no row.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, mean_square)
WITH counted AS (
    SELECT p.hour, p.task, p.mode, p.version, p.slice, summed.*
    FROM (SELECT part, sum(n)::bigint AS n, sum(predicted)::bigint AS predicted, sum(came_true)::bigint AS came_true,
                 sum(hits) AS hits, sum(squared_error) AS squared_error, sum(its_square) AS its_square,
                 sum(loss) AS loss, sum(squared_loss) AS squared_loss
          FROM judged JOIN cell_parts USING (cell)
          GROUP BY part) AS summed
    JOIN parts AS p USING (part)
    UNION ALL
    SELECT any_value(c.hour), any_value(c.task), any_value(c.mode), any_value(c.version),
           CASE WHEN grouping(j.label) = 0 THEN 'label=' || j.label ELSE 'label_source=' || j.label_source END, NULL,
           sum(n)::bigint, sum(predicted)::bigint, sum(came_true)::bigint, sum(hits), sum(squared_error), sum(its_square),
           sum(loss), sum(squared_loss)
    FROM judged AS j JOIN cells AS c USING (cell)
    GROUP BY c.series, GROUPING SETS ((j.label), (j.label_source))
)
SELECT hour, metric, task, mode, version, slice, total / measured.n, measured.n, squares / measured.n
FROM counted
CROSS JOIN LATERAL (VALUES ('precision', hits, predicted, NULL::numeric),
                           ('recall', hits, came_true, NULL),
                           ('f1', 2 * hits, predicted + came_true, NULL),
                           ('brier', squared_error / 1e9, counted.n, its_square / 1e9),
                           ('log_loss', loss / 1e9, counted.n, squared_loss / 1e9)) AS measured(metric, total, n, squares)
WHERE (metric, split_part(slice, '=', 1)) IN (SELECT metric, dimension FROM declared) AND measured.n > 0;
