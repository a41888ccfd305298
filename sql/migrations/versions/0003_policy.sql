-- Which arm of an experiment a conversation got, by the earliest event that tells it. at: when the conversation began.
-- unit_id was drawn by: the conversation's own id, or a customer key. propensity: the chance of that arm under the policy
-- (policy_epoch, policy_n) that assigned it. reason: drawn, or switched_off where a kill switch left the control arm only.
CREATE TABLE assignments (
    conversation_id uuid             NOT NULL,
    experiment_id   uuid             NOT NULL,
    experiment      text             NOT NULL,
    arm             text             NOT NULL,
    unit            text             NOT NULL,
    unit_id         text             NOT NULL,
    propensity      double precision NOT NULL,
    reason          text             NOT NULL,
    at              timestamptz      NOT NULL,
    policy_epoch    integer          NOT NULL,
    policy_n        bigint           NOT NULL,
    event_id        uuid             NOT NULL,
    PRIMARY KEY (conversation_id, experiment_id)
);
CREATE INDEX assignments_at ON assignments (at);

-- Kill switches, one act a row. is_on: what it names is off. subject: '' is all of it, else one task (challengers,
-- predictor) or one experiment by its name (experiments).
CREATE TABLE kill_switches (
    act     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name    text        NOT NULL CHECK (name IN ('experiments', 'challengers', 'predictor')),
    subject text        NOT NULL DEFAULT '' CHECK (length(subject) <= 255),
    is_on   boolean     NOT NULL,
    reason  text        NOT NULL CHECK (reason <> ''),
    actor   text        NOT NULL CHECK (actor <> ''),
    set_at  timestamptz NOT NULL DEFAULT now()
);

-- How each kill switch stands: as its last act left it.
CREATE VIEW current_kill_switches AS
SELECT DISTINCT ON (name, subject) name, subject, is_on, reason, actor, set_at
FROM kill_switches
ORDER BY name, subject, act DESC;

-- What is wrong with an experiment, null where nothing is. Compares as jsonb throughout, so that no config makes it fail.
CREATE FUNCTION experiment_fault(name text, config jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN name = '' THEN 'it has no name'
        WHEN jsonb_typeof(config) <> 'object' THEN 'its config is no object'
        WHEN coalesce(config -> 'unit', '"conversation"') NOT IN ('"conversation"', '"customer"')
            THEN 'unit is neither conversation nor customer'
        WHEN NOT coalesce(config -> 'traffic', '1') BETWEEN '0' AND '1' THEN 'traffic is no number from 0 to 1'
        WHEN coalesce(jsonb_typeof(config -> 'salt') <> 'string' OR length(config ->> 'salt') NOT BETWEEN 1 AND 200, false)
            THEN 'salt is no text of 1 to 200 characters'
        WHEN coalesce(jsonb_typeof(config -> 'arms'), '') <> 'array'
          OR jsonb_array_length(config -> 'arms') NOT BETWEEN 2 AND 20 THEN 'arms is no list of 2 to 20'
        WHEN EXISTS (SELECT FROM jsonb_array_elements(config -> 'arms') AS arm
                     WHERE jsonb_typeof(arm -> 'name') IS DISTINCT FROM 'string'
                        OR length(arm ->> 'name') NOT BETWEEN 1 AND 100)
            THEN 'an arm has no name of 1 to 100 characters'
        WHEN (SELECT count(DISTINCT arm ->> 'name') < count(*) FROM jsonb_array_elements(config -> 'arms') AS arm)
            THEN 'two arms have one name'
        WHEN EXISTS (SELECT FROM jsonb_array_elements(config -> 'arms') AS arm
                     WHERE (arm -> 'weight' = '0' OR arm -> 'weight' BETWEEN '0.000001' AND '1000000') IS NOT TRUE)
            THEN 'the weight of an arm is neither 0 nor a number from 0.000001 to 1000000'
        WHEN NOT EXISTS (SELECT FROM jsonb_array_elements(config -> 'arms') AS arm WHERE arm -> 'weight' > '0')
            THEN 'no arm has a weight above 0'
        WHEN coalesce(jsonb_typeof(config -> 'eligibility') <> 'object', false) THEN 'eligibility is no object'
        WHEN EXISTS (SELECT FROM jsonb_each(coalesce(config -> 'eligibility', '{}')) AS rule
                     WHERE rule.key NOT IN ('languages', 'programs', 'platforms')
                        OR jsonb_typeof(rule.value) <> 'array')
            THEN 'eligibility holds something else than lists named languages, programs, platforms'
        WHEN EXISTS (SELECT FROM jsonb_each(coalesce(config -> 'eligibility', '{}')) AS rule
                     CROSS JOIN jsonb_array_elements(rule.value) AS allowed
                     WHERE jsonb_typeof(allowed) <> 'string' OR length(allowed #>> '{}') NOT BETWEEN 1 AND 50)
            THEN 'eligibility lists something else than texts of 1 to 50 characters'
        -- One that swells the policy beyond what agents read would keep every other change from them.
        WHEN octet_length(jsonb_build_array(config -> 'arms', config -> 'eligibility', config -> 'traffic')::text) > 20000
            THEN 'arms, eligibility and traffic have more than 20,000 bytes'
    END
$$;

-- What agents are to obey: the models that run, the experiments, how the kill switches stand that are on, and the running
-- experiments that were left out as broken. What is switched off is composed away, so that agents need no rule for it: of
-- an experiment that is off, the control arm alone is left.
CREATE FUNCTION compose_policy() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    WITH off AS (
        SELECT name, subject, set_at FROM current_kill_switches WHERE is_on
    ), model AS (
        SELECT task, mode, version, state, traffic_share, digest
        FROM model_rollouts AS m
        WHERE until IS NULL AND state IN ('shadow', 'canary', 'champion') AND digest IS NOT NULL
          AND NOT EXISTS (
              SELECT
              FROM off
              WHERE off.subject IN ('', m.task)
                AND (off.name = 'predictor' OR off.name = 'challengers' AND m.state <> 'champion'))
    ), running AS (
        SELECT id, name, jsonb_strip_nulls(config) AS config,
               row_number() OVER (PARTITION BY name ORDER BY created_at, id) AS namesake,
               row_number() OVER (ORDER BY created_at, id) AS nth,
               EXISTS (SELECT FROM off WHERE off.name = 'experiments' AND off.subject IN ('', e.name)) AS is_off
        FROM ml_experiments AS e
        WHERE status = 'running'
    ), judged AS MATERIALIZED (
        SELECT *, CASE WHEN namesake > 1 THEN 'an older running experiment has its name'
                       WHEN nth > 100 THEN '100 older experiments run'
                       ELSE experiment_fault(name, config) END AS fault
        FROM running
    ), experiment AS (
        SELECT name, jsonb_build_object(
                   'id', id, 'name', name, 'unit', coalesce(config ->> 'unit', 'conversation'),
                   'salt', coalesce(config ->> 'salt', id::text), 'traffic', coalesce(config -> 'traffic', '1'),
                   'eligibility', coalesce(config -> 'eligibility', '{}'),
                   'arms', CASE WHEN is_off
                       THEN jsonb_build_array(jsonb_build_object('name', config #> '{arms,0,name}', 'weight', 1))
                       ELSE (SELECT jsonb_agg(jsonb_build_object('name', arm -> 'name', 'weight', arm -> 'weight')
                                              ORDER BY place)
                             FROM jsonb_array_elements(config -> 'arms') WITH ORDINALITY AS listed(arm, place)) END,
                   'reason', CASE WHEN is_off THEN 'switched_off' ELSE 'drawn' END) AS entry
        FROM judged
        WHERE fault IS NULL
    )
    SELECT jsonb_build_object(
        'models', (SELECT coalesce(jsonb_agg(to_jsonb(model) ORDER BY task, mode, version), '[]') FROM model),
        'experiments', (SELECT coalesce(jsonb_agg(entry ORDER BY name), '[]') FROM experiment),
        'switches', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', name, 'subject', subject, 'since', set_at)
                                               ORDER BY name, subject), '[]') FROM off),
        'left_out', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', id, 'name', name, 'fault', fault)
                                               ORDER BY name, id), '[]')
                     FROM (SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY nth LIMIT 100) AS broken))
$$;

-- Keeps the policy as the next snapshot of `this_epoch` and tells listening agents at the commit. The caller holds the lock.
CREATE FUNCTION publish_in_epoch(this_epoch integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    composed jsonb := compose_policy();
    next_n   bigint;
    broken   record;
BEGIN
    SELECT coalesce(max(n), 0) + 1 INTO next_n FROM policy_snapshots WHERE epoch = this_epoch;
    INSERT INTO policy_snapshots (epoch, n, document)
    VALUES (this_epoch, next_n, composed || jsonb_build_object('schema', 1, 'epoch', this_epoch, 'n', next_n));
    FOR broken IN SELECT * FROM jsonb_to_recordset(composed -> 'left_out') AS entry(name text, fault text) LOOP
        RAISE WARNING 'experiment "%" is left out of the policy: %', broken.name, broken.fault;
    END LOOP;
    PERFORM pg_notify('policy', this_epoch || '.' || next_n);
    RETURN next_n;
END $$;

-- Composes the policy in the caller's transaction; never written by hand. Returns its number within the epoch.
CREATE OR REPLACE FUNCTION publish_policy() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('publish_policy'));
    RETURN publish_in_epoch((SELECT coalesce(max(epoch), 1) FROM policy_snapshots));
END $$;

-- After a restore: publishes in an epoch above all that agents may have seen, else they would refuse what is older to
-- them. The restored database cannot know the epochs given since, so the minute of the clock is the epoch. Returns it.
CREATE FUNCTION raise_epoch() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    next_epoch integer;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('publish_policy'));
    SELECT greatest(max(epoch) + 1, floor(extract(epoch FROM clock_timestamp()) / 60)::integer) INTO next_epoch
    FROM policy_snapshots;
    PERFORM publish_in_epoch(next_epoch);
    RETURN next_epoch;
END $$;

-- Records the act and puts it in force, in one transaction. Returns the number of the policy that says so.
CREATE FUNCTION set_kill_switch(name text, is_on boolean, reason text, actor text, subject text DEFAULT '')
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('publish_policy'));
    INSERT INTO kill_switches (name, subject, is_on, reason, actor) VALUES (name, subject, is_on, reason, actor);
    RETURN publish_policy();
END $$;

REVOKE ALL ON FUNCTION experiment_fault(text, jsonb), compose_policy(), publish_in_epoch(integer), raise_epoch(),
    set_kill_switch(text, boolean, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION raise_epoch() TO ml_jobs;
GRANT EXECUTE ON FUNCTION set_kill_switch(text, boolean, text, text, text) TO ml_jobs, ml_dashboards;
GRANT SELECT ON assignments, kill_switches, current_kill_switches TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON assignments TO ml_jobs;
