-- Versions that a rollback took out of service: nobody may bring them back until lift_bar(). dataset: what the gate's
-- evidence says of the rows and the recipe, so that nobody trains the same again.
CREATE VIEW barred_versions AS
SELECT r.task, r.mode, r.version, r.since, d.reason, d.actor, d.decision,
       (SELECT judged.evidence -> 'dataset' FROM decisions AS judged
        WHERE judged.kind = 'gate' AND judged.version = r.version
        ORDER BY judged.decided_at LIMIT 1) AS dataset
FROM model_rollouts AS r JOIN decisions AS d USING (decision)
WHERE r.state = 'rolled_back' AND r.until IS NULL;

-- Undoes a change of who serves a task: decision, rollouts and policy in one transaction.
--   to_version null       the newest change: a challenger (shadow or canary) that runs is taken out; where none runs, the
--                         champion is, and who was champion before serves again, or nobody but the caller
--   who is champion       a challenger that runs is taken out
--   another, or 'caller'  the champion is taken out, and this version, which was champion before, or nobody serves; a
--                         challenger and a holdback end with it
-- What is taken out is barred, what ends with it retires. Asked again it changes nothing: a champion that a rollback put
-- there is not taken out without naming who follows, nor is one within ten minutes of its challenger, for two people, or ten
-- agents, that see one harm mean one rollback.
-- Returns {status, task, mode, from_version, to_version, decision_id, policy_n, reason}; status is rolled_back, unchanged
-- or refused, and only rolled_back has changed anything. to_version is who serves then.
CREATE OR REPLACE FUNCTION rollback_task(of_task text, of_mode text, to_version text, because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    serving    record;
    challenger text;
    target     record;
    bar        record;
    is_over    boolean;   -- the challenger goes, the champion stays
    from_one   text;
    follows    text;
    faults     text[];
    made       uuid := gen_random_uuid();
    moment     timestamptz;
    left_ones  jsonb;
BEGIN
    -- The lock of a publication: none comes in between. The clock is read behind it, so that histories do not overlap.
    PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(of_task || '.' || of_mode));
    moment := clock_timestamp();
    SELECT r.version, r.since, d.kind INTO serving
    FROM model_rollouts AS r JOIN decisions AS d USING (decision)
    WHERE r.task = of_task AND r.mode = of_mode AND r.state = 'champion' AND r.until IS NULL;
    SELECT r.version INTO challenger
    FROM model_rollouts AS r
    WHERE r.task = of_task AND r.mode = of_mode AND r.state IN ('shadow', 'canary') AND r.until IS NULL
    ORDER BY r.state, r.rollout DESC
    LIMIT 1;
    SELECT * INTO bar FROM barred_versions AS b
    WHERE b.task = of_task AND b.mode = of_mode AND b.version = to_version;
    -- Whom the policy can name: with a bundle, and not barred.
    SELECT past.version, past.digest, d.evidence -> 'trained_until' AS trained_until INTO target
    FROM model_rollouts AS past JOIN decisions AS d USING (decision) JOIN model_bundles AS b USING (digest)
    WHERE past.task = of_task AND past.mode = of_mode AND past.state = 'champion' AND past.until IS NOT NULL
      AND b.content IS NOT NULL AND past.version IS DISTINCT FROM serving.version
      AND past.version = coalesce(to_version, past.version)
      AND NOT EXISTS (SELECT FROM barred_versions AS barred WHERE barred.version = past.version)
    ORDER BY past.until DESC, past.rollout DESC
    LIMIT 1;

    faults := CASE
        WHEN coalesce(trim(because), '') = '' OR coalesce(trim(by_actor), '') = '' THEN ARRAY['refused', 'say who and why']
        WHEN bar.version IS NOT NULL THEN
            ARRAY['refused', format('%s is barred since %s UTC (%s: %s); lift the bar first', bar.version,
                                    to_char(bar.since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), bar.actor, bar.reason)]
        WHEN to_version NOT IN (coalesce(serving.version, 'caller'), 'caller') AND target.version IS NULL THEN
            ARRAY['refused', to_version || ' was never champion of this task, or its bundle is deleted; name one that was, or '
                             'caller']
        WHEN challenger IS NOT NULL THEN NULL
        WHEN coalesce(to_version, 'caller') = coalesce(serving.version, 'caller') THEN
            ARRAY['unchanged', CASE WHEN serving.version IS NULL THEN 'nobody but the caller serves'
                                    ELSE 'it serves already' END]
        WHEN to_version IS NULL AND serving.kind = 'rollback' THEN
            ARRAY['unchanged', serving.version || ' serves since a rollback; name a version, or caller, to go further back']
        WHEN to_version IS NULL THEN (
            SELECT ARRAY['unchanged', format('%s took %s out %s seconds ago, %s serves; name a version, or caller, to go '
                                             'further back', lately.actor, lately.version,
                                             floor(extract(epoch FROM moment - lately.decided_at)), serving.version)]
            FROM decisions AS lately
            WHERE lately.kind = 'rollback' AND lately.task = of_task AND lately.mode = of_mode
              AND lately.decided_at > greatest(moment - interval '10 minutes', serving.since)
            ORDER BY lately.decided_at DESC
            LIMIT 1)
    END;
    IF faults IS NOT NULL THEN
        RETURN jsonb_build_object(
            'status', faults[1], 'task', of_task, 'mode', of_mode, 'from_version', coalesce(serving.version, 'caller'),
            'to_version', coalesce(serving.version, 'caller'), 'decision_id', NULL, 'policy_n', NULL, 'reason', faults[2]);
    END IF;

    is_over := challenger IS NOT NULL
        AND coalesce(to_version, serving.version, 'caller') = coalesce(serving.version, 'caller');
    from_one := CASE WHEN is_over THEN challenger ELSE coalesce(serving.version, 'caller') END;
    follows := CASE WHEN is_over THEN coalesce(serving.version, 'caller') ELSE coalesce(target.version, 'caller') END;
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'version', r.version, 'state', r.state, 'traffic_share', r.traffic_share,
               'becomes', CASE WHEN is_over OR r.version = from_one THEN 'rolled_back' ELSE 'retired' END)
               ORDER BY r.rollout), '[]') INTO left_ones
    FROM model_rollouts AS r
    WHERE r.task = of_task AND r.mode = of_mode AND r.until IS NULL AND r.version <> follows
      AND (r.state IN ('shadow', 'canary') OR NOT is_over AND r.state IN ('champion', 'holdback'));

    -- trained_until goes along: who serves is judged by what it has learnt from.
    INSERT INTO decisions (decision, decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, moment, 'rollback', of_task, of_mode, from_one, 'ROLLBACK', because,
            jsonb_build_object('from', from_one, 'to', follows, 'left', left_ones, 'trained_until', target.trained_until),
            by_actor);
    UPDATE model_rollouts AS r SET until = moment
    WHERE r.task = of_task AND r.mode = of_mode AND r.until IS NULL
      AND (r.version = follows AND NOT is_over OR r.version IN (
               SELECT left_one ->> 'version' FROM jsonb_array_elements(left_ones) AS left_one));
    INSERT INTO model_rollouts (task, mode, version, state, digest, decision, since)
    SELECT of_task, of_mode, left_one.version, left_one.becomes,
           (SELECT digest FROM model_rollouts AS was WHERE was.version = left_one.version AND was.until = moment), made, moment
    FROM jsonb_to_recordset(left_ones) AS left_one(version text, becomes text);
    INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision, since)
    SELECT of_task, of_mode, target.version, 'champion', 1, target.digest, made, moment
    WHERE NOT is_over AND target.version IS NOT NULL;
    RETURN jsonb_build_object(
        'status', 'rolled_back', 'task', of_task, 'mode', of_mode, 'from_version', from_one, 'to_version', follows,
        'decision_id', made, 'policy_n', publish_policy(), 'reason', because);
END $$;

-- Lets a barred version be brought back again, by naming it or by training it anew; it is retired then, and serves nobody.
-- Returns {status, version, decision_id, reason}; status is lifted, unchanged (it is not barred) or refused.
CREATE FUNCTION lift_bar(of_version text, because text, by_actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    bar    record;
    made   uuid := gen_random_uuid();
    moment timestamptz;
    fault  text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(split_part(of_version, '/', 1)));
    moment := clock_timestamp();
    SELECT r.* INTO bar
    FROM model_rollouts AS r
    WHERE r.version = of_version AND r.state = 'rolled_back' AND r.until IS NULL;
    fault := CASE
        WHEN coalesce(trim(because), '') = '' OR coalesce(trim(by_actor), '') = '' THEN 'say who and why'
        WHEN NOT EXISTS (SELECT FROM model_rollouts AS known WHERE known.version = of_version)
            THEN 'no version is called ' || coalesce(of_version, '')
        WHEN bar.version IS NULL THEN of_version || ' is not barred'
    END;
    IF fault IS NOT NULL THEN
        RETURN jsonb_build_object('status', CASE WHEN fault LIKE '% is not barred' THEN 'unchanged' ELSE 'refused' END,
                                  'version', of_version, 'decision_id', NULL, 'reason', fault);
    END IF;
    INSERT INTO decisions (decision, decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
    VALUES (made, moment, 'bar', bar.task, bar.mode, bar.version, 'LIFTED', because,
            jsonb_build_object('barred_by', bar.decision), by_actor);
    UPDATE model_rollouts AS r SET until = moment WHERE r.rollout = bar.rollout;
    INSERT INTO model_rollouts (task, mode, version, state, digest, decision, since)
    VALUES (bar.task, bar.mode, bar.version, 'retired', bar.digest, made, moment);
    RETURN jsonb_build_object('status', 'lifted', 'version', bar.version, 'decision_id', made, 'reason', because);
END $$;

-- What was is not rewritten, whoever asks: a decision is only ever added, a state is closed once and nothing else.
CREATE FUNCTION refuse_rewriting() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% keeps what was: rows are added, a state is closed once, and nothing is changed or taken out',
        TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER decisions_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER policy_snapshots_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_snapshots
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER model_rollouts_are_kept BEFORE DELETE OR TRUNCATE ON model_rollouts
FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER model_rollouts_are_closed_once BEFORE UPDATE ON model_rollouts
FOR EACH ROW
WHEN (OLD.until IS NOT NULL
      OR (OLD.rollout, OLD.task, OLD.mode, OLD.version, OLD.state, OLD.traffic_share, OLD.digest, OLD.decision, OLD.since)
         IS DISTINCT FROM
         (NEW.rollout, NEW.task, NEW.mode, NEW.version, NEW.state, NEW.traffic_share, NEW.digest, NEW.decision, NEW.since))
EXECUTE FUNCTION refuse_rewriting();

REVOKE ALL ON FUNCTION lift_bar(text, text, text), refuse_rewriting() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lift_bar(text, text, text) TO ml_jobs, ml_dashboards;
GRANT SELECT ON barred_versions TO ml_jobs, ml_dashboards;
REVOKE UPDATE ON model_rollouts FROM ml_jobs;
GRANT UPDATE (until) ON model_rollouts TO ml_jobs;

-- Under which policy a prediction was made.
ALTER TABLE predictions ADD COLUMN policy_epoch integer, ADD COLUMN policy_n bigint;

-- Of the aliases of a registered model in MLflow, which mirror who holds what: the version we last made one name, null for
-- none, and while is_setting the one we are making it name. Any other that it names, somebody else gave it.
CREATE TABLE registry_aliases (
    model       text        NOT NULL,
    alias       text        NOT NULL,
    number      integer,
    setting     integer,
    is_setting  boolean     NOT NULL DEFAULT false,
    mirrored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model, alias)
);

GRANT SELECT ON registry_aliases TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE ON registry_aliases TO ml_jobs;

ALTER TABLE model_bundles ALTER COLUMN content DROP NOT NULL;

-- Versions of which nothing but the record is needed any more: no state holds but an end without a bar, the task has
-- `keep_newest` later ones, nothing happened to them since `before`, and a rollback by itself would not bring them back.
CREATE FUNCTION due_versions(before timestamptz, keep_newest integer)
RETURNS TABLE (task text, mode text, version text, last_at timestamptz)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH judged AS (
        SELECT d.task, d.mode, d.version,
               row_number() OVER (PARTITION BY d.task, d.mode ORDER BY min(d.decided_at) DESC) AS nth
        FROM decisions AS d
        WHERE d.kind = 'gate' AND d.version <> ''
        GROUP BY d.task, d.mode, d.version
    ), serves_next AS (
        SELECT DISTINCT ON (r.task, r.mode) r.version
        FROM model_rollouts AS r
        WHERE r.state = 'champion' AND r.until IS NOT NULL
          AND NOT EXISTS (SELECT FROM model_rollouts AS held
                          WHERE held.version = r.version AND held.until IS NULL AND held.state IN ('champion', 'rolled_back'))
        ORDER BY r.task, r.mode, r.until DESC, r.rollout DESC
    )
    SELECT j.task, j.mode, j.version, happened.last_at
    FROM judged AS j
    CROSS JOIN LATERAL (SELECT max(d.decided_at) AS last_at FROM decisions AS d WHERE d.version = j.version) AS happened
    WHERE j.nth > keep_newest AND happened.last_at < before AND j.version NOT IN (SELECT s.version FROM serves_next AS s)
      AND NOT EXISTS (SELECT FROM model_rollouts AS r
                      WHERE r.version = j.version AND r.until IS NULL AND r.state NOT IN ('retired', 'rejected'))
      AND NOT EXISTS (SELECT FROM decisions AS d WHERE d.version = j.version AND d.kind = 'retention')
$$;

-- Deletes the bundles of due versions and records that; what was decided of them, and their digests, stay. Returns them.
CREATE FUNCTION delete_due_versions(before timestamptz, keep_newest integer, because text, by_actor text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    each    record;
    deleted text[] := '{}';
BEGIN
    FOR each IN SELECT DISTINCT due.task, due.mode FROM due_versions(before, keep_newest) AS due ORDER BY 1, 2 LOOP
        -- The lock of a publication: who is about to serve again is not due.
        PERFORM pg_advisory_xact_lock(hashtext('retrain_models'), hashtext(each.task || '.' || each.mode));
    END LOOP;
    FOR each IN SELECT * FROM due_versions(before, keep_newest) LOOP
        INSERT INTO decisions (decided_at, kind, task, mode, version, verdict, reason, evidence, actor)
        SELECT clock_timestamp(), 'retention', each.task, each.mode, each.version, 'DELETED', because,
               jsonb_build_object('last_at', each.last_at, 'bytes', coalesce(sum(octet_length(b.content)), 0)), by_actor
        FROM model_bundles AS b WHERE b.version = each.version;
        UPDATE model_bundles AS b SET content = NULL WHERE b.version = each.version;
        deleted := deleted || each.version;
    END LOOP;
    RETURN deleted;
END $$;

REVOKE ALL ON FUNCTION due_versions(timestamptz, integer), delete_due_versions(timestamptz, integer, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_versions(timestamptz, integer) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION delete_due_versions(timestamptz, integer, text, text) TO ml_jobs;
