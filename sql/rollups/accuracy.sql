-- name: accuracy()!
-- Answers whose labels are exactly the true ones; per label, answers that say this label rightly.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
WITH whole AS (
    SELECT answer, min(label_source) AS label_source, bool_and(is_predicted = is_true) AS is_right
    FROM scored
    GROUP BY answer
), cell AS MATERIALIZED (
    SELECT a.hour, a.task, a.mode, a.version, w.label_source, a.phase, d.audience, count(*) AS n,
           count(*) FILTER (WHERE w.is_right) AS rightly
    FROM whole AS w JOIN answers AS a USING (answer) JOIN described AS d USING (conversation_id)
    GROUP BY a.hour, a.task, a.mode, a.version, w.label_source, a.phase, d.audience
), counted AS (
    SELECT hour, task, mode, version, slice, sum(rightly) AS rightly, sum(n) AS n
    FROM cell
    JOIN audiences USING (audience)
    CROSS JOIN unnest(slices || ARRAY['label_source=' || label_source, 'phase=' || phase]) AS slice
    WHERE slice IS NOT NULL
    GROUP BY hour, task, mode, version, slice
    UNION ALL
    SELECT a.hour, a.task, a.mode, a.version, 'label=' || s.label, count(*) FILTER (WHERE s.is_predicted = s.is_true),
           count(*)
    FROM scored AS s JOIN answers AS a USING (answer)
    GROUP BY a.hour, a.task, a.mode, a.version, s.label
)
SELECT hour, 'accuracy', task, mode, version, slice, rightly / n, n
FROM counted
WHERE split_part(slice, '=', 1) IN (SELECT dimension FROM declared WHERE metric = 'accuracy');
