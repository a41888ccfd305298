-- What is true as of a moment does not hang on what was said after it.
CREATE OR REPLACE FUNCTION conversation_truths(ids uuid[], from_at timestamptz, to_at timestamptz, tasks jsonb,
                                    as_of timestamptz DEFAULT 'infinity')
RETURNS TABLE (conversation_id uuid, turn integer, task text, mode text, labels text[], label_source text,
               learnt_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
-- The planner takes `ids` for ten conversations and would join by nested loops: 2.3 s of an hour of 300, not .05.
SET enable_nestloop = off AS $$
    WITH task AS (
        SELECT * FROM jsonb_to_recordset(tasks) AS d(name text, scope text, horizon integer)
    ), known AS MATERIALIZED (
        SELECT label.conversation_id, label.turn, label.task, label.labels, label.source, label.source_rank,
               label.learnt_at, task.scope
        FROM labels_as_of(as_of) AS label
        JOIN task ON task.name = label.task AND (task.scope = 'conversation') = (label.turn IS NULL)
        -- Not a join: only a condition on the column itself is moved down to the indices of labels and outcomes.
        WHERE label.conversation_id = ANY (ids)
    ), span AS MATERIALIZED (
        -- Of the days between the bounds, those are opened on which these conversations spoke.
        SELECT min(started_at) AS low, max(last_event_at) AS high FROM conversations AS c WHERE c.conversation_id = ANY (ids)
    ), spoken AS MATERIALIZED (
        -- ordinal: how many customer turns there were, this one counted.
        SELECT t.conversation_id, t.turn, t.role,
               count(*) FILTER (WHERE t.role = 'user') OVER so_far AS ordinal,
               count(*) FILTER (WHERE t.role = 'user') OVER (PARTITION BY t.conversation_id) AS customer_turns
        FROM turns AS t
        WHERE t.conversation_id = ANY (ids) AND t.at >= from_at AND t.at < to_at AND t.at <= as_of
          AND t.at >= (SELECT low FROM span) AND t.at <= (SELECT high FROM span)
        WINDOW so_far AS (PARTITION BY t.conversation_id ORDER BY t.turn)
    ), labelled AS (
        SELECT s.*, task.name AS task, task.horizon, known.labels, known.source, known.source_rank, known.learnt_at,
               min(s.ordinal) FILTER (WHERE s.role = 'user' AND known.labels IS NULL) OVER ahead AS next_unlabelled
        FROM (SELECT DISTINCT known.conversation_id, known.task FROM known WHERE known.scope = 'turn') AS carrier
        JOIN task ON task.name = carrier.task
        JOIN spoken AS s ON s.conversation_id = carrier.conversation_id
        LEFT JOIN known ON known.conversation_id = s.conversation_id AND known.turn = s.turn AND known.task = task.name
        WINDOW ahead AS (PARTITION BY s.conversation_id, task.name ORDER BY s.turn
                         ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)
    ), future AS (
        SELECT l.conversation_id, l.turn, l.task, l.ordinal,
               CASE WHEN l.horizon > 0 THEN least(l.ordinal + l.horizon, l.customer_turns)
                    ELSE l.customer_turns END AS last_ordinal
        FROM labelled AS l
        WHERE l.ordinal < l.customer_turns
          AND (l.horizon > 0 AND l.ordinal + l.horizon <= l.customer_turns
               OR EXISTS (SELECT FROM outcomes AS o WHERE o.conversation_id = l.conversation_id AND o.learnt_at <= as_of))
          AND (l.next_unlabelled IS NULL
               OR l.horizon > 0 AND l.next_unlabelled > least(l.ordinal + l.horizon, l.customer_turns))
    )
    SELECT known.conversation_id, NULL::integer, known.task, mode, known.labels, known.source, known.learnt_at
    FROM known CROSS JOIN unnest(ARRAY['detect', 'anticipate']) AS mode
    WHERE known.scope = 'conversation'
    UNION ALL
    SELECT l.conversation_id, l.turn, l.task, 'detect', l.labels, l.source, l.learnt_at
    FROM labelled AS l
    WHERE l.labels IS NOT NULL AND l.source <> 'derived'
    UNION ALL
    -- The source of a joint truth is its weakest one.
    SELECT f.conversation_id, f.turn, f.task, 'anticipate',
           coalesce(array_agg(DISTINCT said.label) FILTER (WHERE said.label IS NOT NULL), '{}'),
           (array_agg(l.source ORDER BY l.source_rank DESC))[1], max(l.learnt_at)
    FROM future AS f
    JOIN labelled AS l ON l.conversation_id = f.conversation_id AND l.task = f.task AND l.role = 'user'
                      AND l.ordinal > f.ordinal AND l.ordinal <= f.last_ordinal
    LEFT JOIN LATERAL unnest(l.labels) AS said(label) ON true
    GROUP BY f.conversation_id, f.turn, f.task
$$;
