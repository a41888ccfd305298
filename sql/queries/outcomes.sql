-- What `ml-pipeline outcomes` asks of the outcome ledger.

-- name: told(conversation_id, as_of)
-- Everything that was told of a conversation by `as_of`, in the order it was learnt, and whether it holds then.
SELECT l.event_id::text AS event_id, CASE WHEN o.event_id IS NULL THEN 'label' ELSE 'outcome' END AS kind, l.source, l.task,
       l.turn, l.labels, o.outcome, l.value, l.currency, l.at, l.learnt_at, l.supersedes::text AS supersedes,
       CASE WHEN l.superseded_at <= :as_of THEN l.superseded_at END AS superseded_at, held.event_id IS NOT NULL AS holds
FROM outcome_ledger AS l
LEFT JOIN outcomes AS o USING (event_id)
LEFT JOIN (SELECT event_id FROM labels_as_of(:as_of) WHERE conversation_id = CAST(:conversation_id AS uuid)) AS held
    USING (event_id)
WHERE l.conversation_id = CAST(:conversation_id AS uuid) AND l.learnt_at <= :as_of
ORDER BY l.learnt_at, l.event_id;

-- name: sale(conversation_id, as_of)^
-- The conversation and what was known of its sale at `as_of`; no row where there is no conversation.
SELECT c.client_id, c.started_at, s.is_sold, s.sold_learnt_at, s.lost_learnt_at, s.refunded_learnt_at, s.value, s.net_value,
       s.currency, s.label_source
FROM conversations AS c
CROSS JOIN LATERAL sales_as_of(:as_of, c.started_at, c.started_at + interval '1 microsecond') AS s
WHERE c.conversation_id = CAST(:conversation_id AS uuid) AND s.conversation_id = c.conversation_id;

-- name: count_unmatched(expired_before)
-- Truths without a conversation, by who told them; expired: learnt before `expired_before`.
SELECT kind, source, learnt_at < :expired_before AS is_expired, count(*) AS truths, min(learnt_at) AS oldest
FROM unmatched_truths
GROUP BY 1, 2, 3
ORDER BY 3, 1, 2;

-- name: list_unmatched(expired_before, limit)
-- Those that still wait, the longest first, with the name their conversation has with the agent.
SELECT event_id::text AS event_id, conversation_id::text AS conversation_id, client_id, kind, source, said, value, currency,
       at, learnt_at
FROM (SELECT * FROM unmatched_truths WHERE learnt_at >= :expired_before ORDER BY learnt_at, event_id LIMIT :limit) AS waiting
LEFT JOIN LATERAL (SELECT client_id FROM ml_tracking_events AS e WHERE e.id = waiting.event_id) AS logged ON true
ORDER BY learnt_at, event_id;
