-- name: correct(share)!
-- Every so many-th label is taken back by another one a day later.
INSERT INTO labels (event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, supersedes)
SELECT gen_random_uuid(), conversation_id, turn, task, '{}', source, source_rank, at + interval '1 day',
       learnt_at + interval '1 day', event_id
FROM (SELECT *, row_number() OVER (ORDER BY event_id) AS n FROM labels) AS told
WHERE mod(n, :share) = 0;

-- name: mark_labels()!
UPDATE labels AS known SET superseded_at = s.superseded_at FROM supersessions AS s WHERE s.event_id = known.event_id;

-- name: mark_outcomes()!
UPDATE outcomes AS known SET superseded_at = s.superseded_at FROM supersessions AS s WHERE s.event_id = known.event_id;

-- name: truths()$
SELECT (SELECT count(*) FROM labels) + (SELECT count(*) FROM outcomes);

-- name: by_rank_alone()$
-- The best source, then the latest learnt, of all that is known: no moment, nothing superseded.
SELECT count(labels) FROM (
    SELECT DISTINCT ON (conversation_id, task, turn) *
    FROM (SELECT conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, event_id
          FROM labels
          UNION ALL
          SELECT conversation_id, NULL, 'conversion', CASE WHEN is_sold THEN ARRAY['sold'] ELSE ARRAY[]::text[] END,
                 'agent', 3::smallint, at, learnt_at, value, currency, event_id
          FROM outcomes) AS known
    ORDER BY conversation_id, task, turn, source_rank, learnt_at DESC, event_id DESC) AS held;

-- name: current()$
SELECT count(labels) FROM current_labels;

-- name: as_of(moment)$
SELECT count(labels) FROM labels_as_of(:moment);

-- name: sales(start, end)$
SELECT count(sold_learnt_at) FROM sales_as_of('infinity', :start, :end);
