-- name: accuracy()!
-- Answers whose labels are exactly the true ones; per label, answers that say this label rightly.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
WITH whole AS MATERIALIZED (
    SELECT cell, label_source, count(*) AS n, count(*) FILTER (WHERE is_right) AS rightly
    FROM known
    CROSS JOIN LATERAL (SELECT bool_and((label = ANY (labels)) = (label = ANY (true_labels))) AS is_right
                        FROM unnest(label_set) AS label) AS compared
    GROUP BY cell, label_source
), counted AS (
    SELECT p.hour, p.task, p.mode, p.version, p.slice, summed.rightly, summed.n
    FROM (SELECT part, sum(rightly) AS rightly, sum(n) AS n FROM whole JOIN cell_parts USING (cell) GROUP BY part) AS summed
    JOIN parts AS p USING (part)
    UNION ALL
    SELECT any_value(hour), any_value(task), any_value(mode), any_value(version), 'label_source=' || label_source,
           sum(rightly), sum(n)
    FROM whole JOIN cells USING (cell)
    GROUP BY series, label_source
    UNION ALL
    SELECT any_value(hour), any_value(task), any_value(mode), any_value(version), 'label=' || label, sum(agreed), sum(n)
    FROM judged JOIN cells USING (cell)
    GROUP BY series, label
)
SELECT hour, 'accuracy', task, mode, version, slice, rightly / n, n
FROM counted
WHERE split_part(slice, '=', 1) IN (SELECT dimension FROM declared WHERE metric = 'accuracy');
