-- name: funnel()!
-- Of the conversations that started in the hour: who spoke, when the first objection came, and in which phase they were lost.
INSERT INTO metric_rollups (hour, metric, slice, value, n, mean_square)
WITH sliced AS (
    SELECT hour, slice, count(agent_share) AS spoken, sum(round(agent_share * 1e9)::bigint) AS agent_share,
           sum(round(agent_share ^ 2 * 1e9)::bigint) AS squared_share, count(objection_turn) AS objecting,
           sum(objection_turn) AS turns, sum(objection_turn ^ 2) AS squared_turns
    FROM dialogues
    CROSS JOIN unnest(slices || ARRAY['label=' || objection, 'label_source=' || objection_source]) AS slice
    WHERE slice IS NOT NULL
    GROUP BY hour, slice
), reached AS (
    SELECT hour, 'phase=' || phase AS slice, count(*) AS n,
           count(*) FILTER (WHERE phase = last_phase AND NOT is_sold) AS lost
    FROM dialogues CROSS JOIN unnest(phases) AS phase
    WHERE is_sold IS NOT NULL
    GROUP BY hour, phase
)
SELECT hour, metric, slice, total / n, n, squares / n
FROM sliced
CROSS JOIN LATERAL (VALUES
    ('talk_ratio', agent_share / 1e9, spoken, squared_share / 1e9),
    ('turns_to_objection', turns, objecting, squared_turns::numeric)) AS measured(metric, total, n, squares)
JOIN declared USING (metric)
WHERE dimension = split_part(slice, '=', 1) AND n > 0
UNION ALL
SELECT hour, 'phase_drop_off', slice, lost::numeric / n, n, NULL FROM reached;
