-- Statements of the online module. It runs as ml_capture: the door, the policy, bundles and the facade's views.

-- name: append_events(batch)$
-- Idempotent: a batch sent again stores nothing and moves no counter.
SELECT append_events(:batch);

-- name: reject_event(writer, sequence, reason, line)$
SELECT reject_event(:writer, :sequence, :reason, :line);

-- name: report_writer(writer, offered, refused, accepted, quarantined, dropped)$
SELECT report_writer(:writer, :offered, :refused, :accepted, :quarantined, :dropped);

-- name: changed_policy(epoch, n, most_bytes)^
-- No row where it is the one at (epoch, n). A document larger than an agent reads is not even sent.
SELECT epoch, n, bytes, CASE WHEN bytes <= :most_bytes THEN document::text END AS document
FROM (SELECT epoch, n, document, octet_length(document::text) AS bytes
      FROM policy
      WHERE (epoch, n) IS DISTINCT FROM (:epoch::integer, :n::bigint)) AS changed;

-- name: listen_to_policy()!
LISTEN policy;

-- name: bundle_content(digest)$
SELECT content FROM model_bundles WHERE digest = :digest;

-- name: event_stream(conversation_id, event_types, since, most)
-- Newest first. Bounded by id, which prunes partitions; a bound on timestamp would not.
SELECT id, conversation_id, event_type, event_category, timestamp, data, client_id
FROM facade_events
WHERE id >= uuid_floor(:since)
    AND (:conversation_id::uuid IS NULL OR conversation_id = :conversation_id::uuid)
    AND (:event_types::text[] IS NULL OR event_type = ANY (:event_types::text[]))
ORDER BY id DESC
LIMIT :most;

-- name: writers(ids)
-- Where the records of these writers are; one row more, writer null, over all writers.
-- A writer tells what it was offered a few seconds late; it is at least what it accepted and refused.
SELECT writer,
       sum(greatest(offered, accepted_sequence + (
           SELECT coalesce(sum(value::bigint), 0) FROM jsonb_each_text(refused))))::bigint AS offered,
       sum(accepted_sequence)::bigint AS accepted,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(rejected)::bigint AS rejected,
       sum(quarantined)::bigint AS quarantined, sum(dropped)::bigint AS dropped,
       sum(accepted_sequence - stored - duplicate - rejected - quarantined - dropped)::bigint AS spooled
FROM facade_writers
GROUP BY GROUPING SETS ((writer), ())
HAVING writer IS NULL OR writer = ANY (:ids::uuid[]);
