ALTER TABLE quality_verdicts ADD COLUMN held_since timestamptz;
UPDATE quality_verdicts SET held_since = judged_at WHERE state = 'held';

-- Lets held hours pass, all of them or none: the decision and what it changes are one transaction. facts_versions names,
-- hour by hour, the facts that were looked at; where they have changed since, nobody has decided anything about them.
-- Who reads trusted hours still has their changes on the list, and takes them next time.
-- Returns {status, decision_id, hours, refused}; status is released or refused, refused lists {hour, state} of those that
-- are not held with these facts.
CREATE FUNCTION release_hours(hours timestamptz[], facts_versions bigint[], because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    made    uuid := gen_random_uuid();
    refused jsonb;
    looked  jsonb;
BEGIN
    IF coalesce(trim(because), '') = '' OR coalesce(trim(by_actor), '') = '' OR coalesce(cardinality(hours), 0) = 0 THEN
        RAISE EXCEPTION 'a release needs hours, a reason and who gives it';
    END IF;
    PERFORM FROM quality_verdicts WHERE hour = ANY (hours) ORDER BY hour FOR UPDATE;
    SELECT jsonb_agg(jsonb_build_object('hour', asked.hour, 'state', CASE v.state WHEN 'held' THEN 'changed'
                                                                     ELSE coalesce(v.state, 'unknown') END)
                     ORDER BY asked.hour)
               FILTER (WHERE (v.state = 'held' AND v.facts_version = asked.facts_version) IS NOT TRUE),
           jsonb_agg(jsonb_build_object('hour', asked.hour, 'facts_version', v.facts_version, 'held_since', v.held_since,
                                        'held_for', v.reason)
                     ORDER BY asked.hour)
    INTO refused, looked
    FROM unnest(hours, facts_versions) AS asked(hour, facts_version) LEFT JOIN quality_verdicts AS v USING (hour);
    IF refused IS NOT NULL THEN
        RETURN jsonb_build_object('status', 'refused', 'decision_id', NULL, 'hours', '[]'::jsonb, 'refused', refused);
    END IF;

    INSERT INTO decisions (decision, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, 'release', '', '', '', 'RELEASE', because, jsonb_build_object('hours', looked), by_actor);
    UPDATE quality_verdicts SET state = 'released', reason = because, held_since = NULL WHERE hour = ANY (hours);
    RETURN jsonb_build_object('status', 'released', 'decision_id', made, 'hours', to_jsonb(hours), 'refused', '[]'::jsonb);
END $$;
REVOKE ALL ON FUNCTION release_hours(timestamptz[], bigint[], text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION release_hours(timestamptz[], bigint[], text, text) TO ml_jobs, ml_dashboards;

-- About models; that an hour was released, or a tagger made current, is nothing to an agent.
CREATE OR REPLACE VIEW facade_decisions AS
SELECT decision, decided_at, kind, task, mode, version, verdict, reason, actor
FROM decisions
WHERE kind IN ('gate', 'rollback');
