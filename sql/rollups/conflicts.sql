-- name: conflicts()!
-- Truths about the conversations that started in the hour, and those of them that a source tells otherwise.
INSERT INTO metric_rollups (hour, metric, slice, value, n)
WITH held AS (
    SELECT s.hour, count(*) AS n
    FROM current_labels AS l JOIN sales AS s USING (conversation_id)
    -- Not by the join alone: only a condition on the column itself is moved down to the indices.
    WHERE l.conversation_id = ANY (ARRAY(SELECT conversation_id FROM sales))
    GROUP BY s.hour
), contradicted AS (
    SELECT s.hour, CASE WHEN grouping(c.source) = 0 THEN 'label_source=' || c.source ELSE '' END AS slice,
           count(DISTINCT (c.conversation_id, c.task, c.turn)) AS truths
    FROM label_conflicts AS c JOIN sales AS s USING (conversation_id)
    WHERE c.conversation_id = ANY (ARRAY(SELECT conversation_id FROM sales))
    GROUP BY s.hour, GROUPING SETS ((s.hour), (c.source))
)
SELECT hour, 'conflict_rate', slices.slice, coalesce(truths, 0)::double precision / n, n
FROM held
CROSS JOIN LATERAL (SELECT '' AS slice
                    UNION SELECT c.slice FROM contradicted AS c WHERE c.hour = held.hour) AS slices
LEFT JOIN contradicted USING (hour, slice);
