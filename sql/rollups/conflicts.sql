-- name: conflicts()!
-- Truths about the conversations that started in the hour, and those of them that a source tells otherwise. Looked up per
-- conversation: a join would read the truths of all times.
INSERT INTO metric_rollups (hour, metric, slice, value, n)
WITH held AS (
    SELECT s.hour, sum(told.n)::bigint AS n
    FROM sales AS s
    CROSS JOIN LATERAL (
        SELECT count(*) AS n FROM current_labels AS l WHERE l.conversation_id = s.conversation_id
    ) AS told
    GROUP BY s.hour
    HAVING sum(told.n) > 0
), contradicted AS (
    SELECT s.hour, slice, count(DISTINCT (s.conversation_id, c.task, c.turn)) AS truths
    FROM sales AS s
    CROSS JOIN LATERAL (
        SELECT task, turn, source FROM label_conflicts AS c WHERE c.conversation_id = s.conversation_id OFFSET 0
    ) AS c
    CROSS JOIN unnest(ARRAY['', 'label_source=' || c.source]) AS slice
    GROUP BY s.hour, slice
)
SELECT hour, 'conflict_rate', slice, truths::double precision / n, n
FROM (SELECT hour, '' AS slice, 0 AS truths FROM held
      WHERE hour NOT IN (SELECT hour FROM contradicted)
      UNION ALL
      SELECT * FROM contradicted) AS counted
JOIN held USING (hour);
