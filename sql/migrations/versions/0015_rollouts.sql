-- Rollouts in steps: a challenger beside the champion, who is held back after a promotion, and the chance that each answer had.
ALTER TABLE predictions ADD COLUMN propensity double precision;

ALTER TABLE model_rollouts
    DROP CONSTRAINT model_rollouts_state_check,
    ADD CONSTRAINT model_rollouts_state_check
        CHECK (state IN ('candidate', 'shadow', 'canary', 'champion', 'holdback', 'retired', 'rejected', 'rolled_back'));
CREATE UNIQUE INDEX model_rollouts_one_challenger ON model_rollouts (task, mode)
WHERE state IN ('shadow', 'canary') AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_holdback ON model_rollouts (task, mode)
WHERE state = 'holdback' AND until IS NULL;
CREATE UNIQUE INDEX model_rollouts_one_candidate ON model_rollouts (task, mode)
WHERE state = 'candidate' AND until IS NULL;

CREATE OR REPLACE FUNCTION compose_policy() RETURNS jsonb
LANGUAGE sql STABLE AS $$
    WITH off AS (
        SELECT name, subject, set_at FROM current_kill_switches WHERE is_on
    ), model AS (
        -- A challenger and, once it is champion, who is held back against it are drawn by one salt: its name.
        SELECT task, mode, version, state, traffic_share, digest,
               CASE WHEN state = 'holdback' THEN (
                        SELECT version FROM model_rollouts AS c
                        WHERE c.task = m.task AND c.mode = m.mode AND c.state = 'champion' AND c.until IS NULL)
                    ELSE version END AS salt
        FROM model_rollouts AS m
        WHERE until IS NULL AND state IN ('shadow', 'canary', 'champion', 'holdback') AND digest IS NOT NULL
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

CREATE OR REPLACE VIEW facade_decisions AS
SELECT decision, decided_at, kind, task, mode, version, verdict, reason, actor
FROM decisions
WHERE kind IN ('gate', 'rollout', 'rollback');
