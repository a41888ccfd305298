-- How rollouts stand, the moves they make, and what one look at a rollout rests on. Evidence is read into rollout_turns and
-- rollout_assigned, temporary tables of the transaction: they cost as much as was answered since the rollout began.

-- name: standing(task, mode)
-- What versions of a task hold now, under which decision.
SELECT r.version, r.state, r.traffic_share AS share, r.since, d.evidence ->> 'champion' AS judged_against, d.reason,
       d.evidence -> 'metrics' AS metrics
FROM model_rollouts AS r
JOIN decisions AS d USING (decision)
WHERE r.task = :task AND r.mode = :mode AND r.until IS NULL
  AND r.state IN ('candidate', 'shadow', 'canary', 'champion', 'holdback')
ORDER BY r.rollout;

-- name: running(task, since, now)^
-- Whether a kill switch keeps agents from running who is tried or held back; held_back_days: for how long none did since then.
WITH act AS (
    SELECT is_on, set_at, lead(set_at, 1, 'infinity') OVER (PARTITION BY name, subject ORDER BY act) AS until
    FROM kill_switches
    WHERE name IN ('challengers', 'predictor') AND subject IN ('', :task)
), off AS (
    SELECT coalesce(range_agg(tstzrange(set_at, until)), '{}') AS spans,
           coalesce(bool_or(until = 'infinity'), false) AS is_paused
    FROM act
    WHERE is_on
), ran AS (
    SELECT tstzmultirange(tstzrange(:since, greatest(CAST(:since AS timestamptz), :now))) - off.spans AS spans, is_paused
    FROM off
)
SELECT is_paused,
       (SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0)::double precision / 86400
        FROM unnest(spans) AS span) AS held_back_days
FROM ran;

-- name: begun_at(version)$
-- When a version was first tried beside a champion.
SELECT min(since) FROM model_rollouts WHERE version = :version AND state IN ('shadow', 'canary');

-- name: record_move(task, mode, version, verdict, reason, evidence, actor)$
-- What the version learnt from goes along: who serves is judged by that.
INSERT INTO decisions (kind, task, mode, version, verdict, reason, evidence, actor)
SELECT 'rollout', :task, :mode, :version, :verdict, :reason,
       coalesce((SELECT jsonb_build_object('trained_from', d.evidence -> 'trained_from',
                                           'trained_until', d.evidence -> 'trained_until')
                 FROM model_rollouts AS r JOIN decisions AS d USING (decision)
                 WHERE r.version = :version AND r.task = :task AND r.mode = :mode AND r.until IS NULL), '{}')
       || CAST(:evidence AS jsonb), :actor
RETURNING decision::text;

-- name: enter(task, mode, version, state, share, decision)!
-- The state that a version holds ends, and this one begins, at one moment behind the lock of the task.
WITH moment AS MATERIALIZED (
    SELECT clock_timestamp() AS at
), ended AS (
    UPDATE model_rollouts SET until = (SELECT at FROM moment)
    WHERE task = :task AND mode = :mode AND version = :version AND until IS NULL
    RETURNING digest
)
INSERT INTO model_rollouts (task, mode, version, state, traffic_share, digest, decision, since)
SELECT :task, :mode, :version, :state, :share, ended.digest, CAST(:decision AS uuid), moment.at
FROM ended CROSS JOIN moment;

-- name: publish_policy()$
SELECT publish_policy();

-- name: roll_back(task, mode, to_version, because, actor)$
SELECT rollback_task(:task, :mode, :to_version, :because, :actor);

-- name: lift_bar(version, because, actor)$
SELECT lift_bar(:version, :because, :actor);

-- name: bars()
-- Versions that nobody may bring back, and what they learnt from.
SELECT task, mode, version, since, actor, reason, coalesce(dataset, '{}') AS dataset FROM barred_versions ORDER BY version;

-- name: read_turns(task, mode, ours, theirs, from_at, to_at)!
-- Grain: one row per turn that anybody answered: what either version said, how long it took, and who was heard. is_beside:
-- the agent obeyed a policy that names both; one that is cut off, or that a kill switch reached, is no fault of either.
CREATE TEMPORARY TABLE rollout_turns ON COMMIT DROP AS
WITH beside AS MATERIALIZED (
    SELECT epoch, n
    FROM policy_snapshots
    WHERE published_at >= :from_at - interval '1 day'
      AND document -> 'models' @> jsonb_build_array(jsonb_build_object('version', CAST(:ours AS text)),
                                                    jsonb_build_object('version', CAST(:theirs AS text)))
)
SELECT conversation_id, turn, min(at) AS at,
       (array_agg(probabilities) FILTER (WHERE version = :ours))[1] AS ours,
       (array_agg(probabilities) FILTER (WHERE version = :theirs))[1] AS theirs,
       max(latency_ms) FILTER (WHERE version = :ours) AS ours_ms,
       max(latency_ms) FILTER (WHERE version = :theirs) AS theirs_ms,
       max(version) FILTER (WHERE is_served) AS served_by,
       max(nullif(propensity, 0)) FILTER (WHERE is_served) AS propensity,
       coalesce(bool_or((policy_epoch, policy_n) IN (SELECT epoch, n FROM beside)), false) AS is_beside
FROM predictions
WHERE task = :task AND mode = :mode AND at >= :from_at AND at < :to_at
GROUP BY conversation_id, turn;

-- name: read_assigned(rollout_id, ours, from_at, to_at)!
-- Grain: one row per conversation that was drawn. share: the chance it had of `ours`. One may have begun the day before.
CREATE TEMPORARY TABLE rollout_assigned ON COMMIT DROP AS
SELECT conversation_id, unit_id, arm, arm = :ours AS is_challenger,
       round((CASE WHEN arm = :ours THEN propensity ELSE 1 - propensity END)::numeric, 6)::double precision AS share
FROM assignments
WHERE experiment_id = CAST(:rollout_id AS uuid) AND at >= :from_at - interval '1 day' AND at < :to_at;

-- name: analyze()!
ANALYZE rollout_turns, rollout_assigned;

-- name: count_scored()$
-- Conversations that `ours` scored.
SELECT count(DISTINCT conversation_id) FROM rollout_turns WHERE ours IS NOT NULL;

-- name: slow_bound(task, mode, version, from_at)$
-- What a hundredth of its answers took longer than in the week before; null of fewer than 100.
SELECT CASE WHEN count(latency_ms) >= 100 THEN percentile_cont(0.99) WITHIN GROUP (ORDER BY latency_ms) END
FROM predictions
WHERE task = :task AND mode = :mode AND version = :version AND at >= :from_at - interval '7 days' AND at < :from_at;

-- name: started(to_at, age)^
-- The first conversation of each unit, in order of start, that is of this age: whose it was, with what chance, and whether
-- it was sold as it was known at that age.
SELECT coalesce(array_agg(is_challenger ORDER BY started_at, conversation_id), '{}') AS is_challenger,
       coalesce(array_agg(share ORDER BY started_at, conversation_id), '{}') AS share,
       coalesce(array_agg(is_sold ORDER BY started_at, conversation_id), '{}') AS is_sold
FROM (SELECT first.*, coalesce((
             SELECT 'sold' = ANY (l.labels)
             FROM outcome_ledger AS l
             WHERE l.conversation_id = first.conversation_id AND l.task = 'conversion' AND l.turn IS NULL
               AND l.learnt_at <= first.started_at + :age AND (l.superseded_at > first.started_at + :age) IS NOT FALSE
             ORDER BY l.source_rank, l.learnt_at DESC, l.event_id DESC
             LIMIT 1), false) AS is_sold
      FROM (SELECT DISTINCT ON (a.unit_id) a.conversation_id, a.is_challenger, a.share, c.started_at
            FROM rollout_assigned AS a JOIN conversations AS c USING (conversation_id)
            ORDER BY a.unit_id, c.started_at, a.conversation_id) AS first
      WHERE first.started_at + :age <= :to_at) AS known;

-- name: scored(task, mode, tasks, labels, from_at, to_at, window_days, is_from_start)^
-- Conversations whose window has closed, in order of start: the mean log loss of either version over the turns whose truth
-- is known and trusted, each turn weighted by one over the chance of who was heard.
WITH closed AS (
    SELECT t.conversation_id, c.started_at, coalesce(c.customer_key, c.conversation_id::text) AS customer
    FROM (SELECT conversation_id, max(at) AS last_at
          FROM rollout_turns
          WHERE ours IS NOT NULL AND theirs IS NOT NULL
          GROUP BY conversation_id) AS t
    JOIN conversations AS c USING (conversation_id)
    WHERE (CASE WHEN :is_from_start THEN c.started_at ELSE t.last_at END) + :window_days * interval '1 day' <= :to_at
      AND NOT EXISTS (
          SELECT
          FROM outcome_ledger AS l
          WHERE l.conversation_id = t.conversation_id AND l.task = :task
            AND NOT EXISTS (SELECT FROM trusted_hours AS h WHERE h.hour = date_trunc('hour', l.at, 'UTC')))
), lost AS (
    SELECT t.conversation_id, 1 / coalesce(t.propensity, 1) AS weight,
           avg(-ln(CASE WHEN label = ANY (truth.labels) THEN said.ours ELSE 1 - said.ours END)) AS ours,
           avg(-ln(CASE WHEN label = ANY (truth.labels) THEN said.theirs ELSE 1 - said.theirs END)) AS theirs
    FROM rollout_turns AS t
    JOIN trusted_hours AS h ON h.hour = date_trunc('hour', t.at, 'UTC')
    JOIN conversation_truths((SELECT array_agg(conversation_id) FROM closed), :from_at - interval '1 day', :to_at,
                             CAST(:tasks AS jsonb), :to_at) AS truth
      ON truth.conversation_id = t.conversation_id AND truth.task = :task AND truth.mode = :mode
     AND coalesce(truth.turn, t.turn) = t.turn AND truth.label_source <> 'derived'
    CROSS JOIN unnest(CAST(:labels AS text[])) AS label
    CROSS JOIN LATERAL (
        SELECT least(greatest(coalesce((t.ours ->> label)::double precision, 0), 1e-6), 1 - 1e-6) AS ours,
               least(greatest(coalesce((t.theirs ->> label)::double precision, 0), 1e-6), 1 - 1e-6) AS theirs) AS said
    WHERE t.ours IS NOT NULL AND t.theirs IS NOT NULL
    GROUP BY t.conversation_id, t.turn, t.propensity
), scored AS (
    SELECT c.started_at, c.conversation_id, dense_rank() OVER (ORDER BY c.customer) AS cluster, avg(l.weight) AS weight,
           sum(l.ours * l.weight) / sum(l.weight) AS ours, sum(l.theirs * l.weight) / sum(l.weight) AS theirs
    FROM closed AS c JOIN lost AS l USING (conversation_id)
    GROUP BY c.conversation_id, c.started_at, c.customer
)
SELECT coalesce(array_agg(cluster ORDER BY started_at, conversation_id), '{}') AS cluster,
       coalesce(array_agg(weight ORDER BY started_at, conversation_id), '{}') AS weight,
       coalesce(array_agg(ours ORDER BY started_at, conversation_id), '{}') AS ours,
       coalesce(array_agg(theirs ORDER BY started_at, conversation_id), '{}') AS theirs
FROM scored;

-- name: failures(slow_ms)
-- Grain: one row per hour: conversations in which one of the two failed, or was slow, and not the other.
SELECT date_trunc('hour', at, 'UTC') AS hour,
       count(*) FILTER (WHERE ours_failed AND NOT theirs_failed) AS ours_failed,
       count(*) FILTER (WHERE theirs_failed AND NOT ours_failed) AS theirs_failed,
       count(*) FILTER (WHERE ours_slow AND NOT theirs_slow) AS ours_slow,
       count(*) FILTER (WHERE theirs_slow AND NOT ours_slow) AS theirs_slow
FROM (SELECT min(at) AS at, bool_or(ours IS NULL AND theirs IS NOT NULL) AS ours_failed,
             bool_or(theirs IS NULL AND ours IS NOT NULL) AS theirs_failed,
             coalesce(bool_or(ours_ms > :slow_ms), false) AS ours_slow,
             coalesce(bool_or(theirs_ms > :slow_ms), false) AS theirs_slow
      FROM rollout_turns
      WHERE is_beside
      GROUP BY conversation_id) AS conversation
GROUP BY hour
ORDER BY hour;

-- name: fallbacks()
-- Grain: one row per hour and share: conversations in which another was heard than who had been drawn.
SELECT hour, share, count(*) FILTER (WHERE is_challenger) AS ours, count(*) FILTER (WHERE NOT is_challenger) AS theirs
FROM (SELECT a.is_challenger, a.share, date_trunc('hour', min(t.at), 'UTC') AS hour
      FROM rollout_turns AS t JOIN rollout_assigned AS a USING (conversation_id)
      WHERE t.is_beside AND t.served_by <> a.arm
      GROUP BY t.conversation_id, a.is_challenger, a.share) AS conversation
GROUP BY hour, share
ORDER BY hour, share;

-- name: shifts(labels)
-- Grain: one row per label, is_drawn and hour: sums over conversations of the difference of both mean probabilities, and of
-- theirs. is_drawn: somebody was drawn for it; else it is of the shadow, or began there.
SELECT label, is_drawn, date_trunc('hour', at, 'UTC') AS hour, count(*) AS calls, sum(ours - theirs) AS total,
       sum((ours - theirs) ^ 2) AS squares, sum(theirs) AS champion_total, sum(theirs ^ 2) AS champion_squares
FROM (SELECT conversation_id, label, bool_or(a.conversation_id IS NOT NULL) AS is_drawn, min(at) AS at,
             avg(coalesce((t.ours ->> label)::double precision, 0)) AS ours,
             avg(coalesce((t.theirs ->> label)::double precision, 0)) AS theirs
      FROM rollout_turns AS t LEFT JOIN rollout_assigned AS a USING (conversation_id)
      CROSS JOIN unnest(CAST(:labels AS text[])) AS label
      WHERE t.ours IS NOT NULL AND t.theirs IS NOT NULL
      GROUP BY conversation_id, label) AS conversation
GROUP BY label, is_drawn, hour
ORDER BY label, is_drawn, hour;

-- name: history(task, mode)
-- The moves of a task, the newest first.
SELECT decided_at, version, kind, verdict, reason, actor
FROM decisions
WHERE task = :task AND mode = :mode AND kind IN ('rollout', 'rollback')
ORDER BY decided_at DESC
LIMIT 10;
