-- name: accuracy()!
-- The share of answers whose labels are exactly the true ones; per label, the share that says this label rightly.
INSERT INTO metric_rollups (hour, metric, task, mode, version, slice, value, n)
SELECT hour, 'accuracy', task, mode, version, '', avg(is_right::integer), count(*)
FROM (SELECT hour, task, mode, version, bool_and(is_predicted = is_true) AS is_right
      FROM scored
      GROUP BY hour, task, mode, version, conversation_id, turn) AS answer
GROUP BY hour, task, mode, version
UNION ALL
SELECT hour, 'accuracy', task, mode, version, 'label=' || label, avg((is_predicted = is_true)::integer), count(*)
FROM scored
GROUP BY hour, task, mode, version, label;
