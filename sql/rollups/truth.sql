-- name: truth()!
-- Answers against what came true, over (answer, label). A metric without a denominator has no row.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n, mean_square)
WITH cell AS MATERIALIZED (
    SELECT a.hour, a.task, a.mode, a.version, s.label, s.label_source, a.phase, d.audience, count(*) AS n,
           count(*) FILTER (WHERE s.is_predicted) AS predicted, count(*) FILTER (WHERE s.is_true) AS came_true,
           count(*) FILTER (WHERE s.is_predicted AND s.is_true) AS hits,
           sum(round(error ^ 2 * 1e12)::bigint) AS squared_error, sum(round(error ^ 4 * 1e12)::bigint) AS its_square,
           sum(round(loss * 1e12)::bigint) AS loss, sum(round(loss ^ 2 * 1e12)::bigint) AS squared_loss
    FROM scored AS s
    JOIN answers AS a USING (answer)
    JOIN described AS d USING (conversation_id)
    CROSS JOIN LATERAL (
        -- Kept a billionth away from 0 and 1, so that one sure mistake is finite.
        SELECT s.probability - s.is_true::integer AS error,
               -ln(greatest(CASE WHEN s.is_true THEN s.probability ELSE 1 - s.probability END, 1e-9)) AS loss
        OFFSET 0
    ) AS missed
    GROUP BY a.hour, a.task, a.mode, a.version, s.label, s.label_source, a.phase, d.audience
), sliced AS (
    SELECT hour, task, mode, version, slice, sum(n)::bigint AS n, sum(predicted)::bigint AS predicted,
           sum(came_true)::bigint AS came_true, sum(hits) AS hits, sum(squared_error) / 1e12 AS squared_error,
           sum(its_square) / 1e12 AS its_square, sum(loss) / 1e12 AS loss, sum(squared_loss) / 1e12 AS squared_loss
    FROM cell
    JOIN audiences USING (audience)
    CROSS JOIN unnest(slices || ARRAY['label=' || label, 'label_source=' || label_source, 'phase=' || phase]) AS slice
    WHERE slice IS NOT NULL
    GROUP BY hour, task, mode, version, slice
)
SELECT hour, metric, task, mode, version, slice, total / measured.n, measured.n, squares / measured.n
FROM sliced
CROSS JOIN LATERAL (VALUES ('precision', hits, predicted, NULL::numeric),
                           ('recall', hits, came_true, NULL),
                           ('f1', 2 * hits, predicted + came_true, NULL),
                           ('brier', squared_error, sliced.n, its_square),
                           ('log_loss', loss, sliced.n, squared_loss)) AS measured(metric, total, n, squares)
JOIN declared USING (metric)
WHERE dimension = split_part(slice, '=', 1) AND measured.n > 0;
