-- name: precision_recall()!
-- Over all labels together, and per label. A metric without a denominator has no row.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT hour, metric, task, mode, version, slice, hits::double precision / n, n
FROM (SELECT hour, task, mode, version,
             CASE WHEN grouping(label) = 1 THEN '' ELSE 'label=' || label END AS slice,
             count(*) FILTER (WHERE is_predicted AND is_true) AS right_ones,
             count(*) FILTER (WHERE is_predicted) AS predicted,
             count(*) FILTER (WHERE is_true) AS true_ones
      FROM scored
      GROUP BY hour, task, mode, version, GROUPING SETS ((), (label))) AS counted
CROSS JOIN LATERAL (VALUES ('precision', right_ones, predicted),
                           ('recall', right_ones, true_ones),
                           ('f1', 2 * right_ones, predicted + true_ones)) AS measured(metric, hits, n)
WHERE n > 0;
