-- name: turns()!
-- n is 1: the value is a mean over hours, here over this one.
INSERT INTO metric_rollups (hour, metric, slice, value, n)
SELECT hour, 'turns_per_hour', slice, sum(turns), 1
FROM spoken JOIN described USING (conversation_id) CROSS JOIN unnest(slices) AS slice
WHERE split_part(slice, '=', 1) IN (SELECT dimension FROM declared WHERE metric = 'turns_per_hour')
GROUP BY hour, slice;
