-- A currency as it is told, in capitals; '' where it is not three letters, null where nothing was told.
CREATE FUNCTION currency_code(told text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN upper(btrim(told)) ~ '^[A-Z]{3}$' THEN upper(btrim(told)) WHEN btrim(told) <> '' THEN '' END;

ALTER TABLE outcomes ADD COLUMN supersedes uuid;
ALTER TABLE outcomes ADD COLUMN superseded_at timestamptz;
ALTER TABLE labels ADD COLUMN superseded_at timestamptz;
CREATE INDEX outcomes_superseding ON outcomes (conversation_id) WHERE supersedes IS NOT NULL;
CREATE INDEX outcomes_currency ON outcomes (currency) WHERE currency IS NOT NULL;
CREATE INDEX labels_superseding ON labels (conversation_id) WHERE supersedes IS NOT NULL;
CREATE INDEX labels_currency ON labels (currency) WHERE currency IS NOT NULL;
UPDATE outcomes SET currency = currency_code(currency) WHERE currency IS DISTINCT FROM currency_code(currency);
UPDATE labels SET currency = currency_code(currency) WHERE currency IS DISTINCT FROM currency_code(currency);

-- Everything anybody told about what is true: the labels, and the sale that each outcome tells, which is a label of the
-- task `conversion` from the agent that reported it. is_lost: it says that there will be no sale. That a call was
-- completed or abandoned does not say so: a sale may follow.
CREATE VIEW outcome_ledger AS
SELECT event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, supersedes,
       superseded_at, task = 'conversion' AND turn IS NULL AND labels = '{}' AS is_lost
FROM labels
UNION ALL
SELECT event_id, conversation_id, NULL, 'conversion', CASE WHEN is_sold THEN ARRAY['sold'] ELSE ARRAY[]::text[] END,
       'agent', 3::smallint, at, learnt_at, value, currency, supersedes, superseded_at,
       NOT is_sold AND (coalesce(value <= 0, false) OR outcome IN ('lost', 'declined', 'rejected', 'not_interested'))
FROM outcomes;

-- What is superseded, and since when: what another event names, for good, whichever of the two arrives first. That one must
-- be of the same conversation and task, hold like it for a turn or for the conversation, and come from no lower source.
CREATE VIEW supersessions AS
SELECT later.conversation_id, told.event_id, min(later.learnt_at) AS superseded_at
FROM outcome_ledger AS later
JOIN outcome_ledger AS told ON told.event_id = later.supersedes AND told.conversation_id = later.conversation_id
    AND told.task = later.task AND (told.turn IS NULL) = (later.turn IS NULL) AND told.source_rank >= later.source_rank
WHERE later.supersedes IS NOT NULL
GROUP BY later.conversation_id, told.event_id;

-- The label that held at `moment` per (conversation, turn, task). In force is what was learnt and not superseded by then;
-- of that the best source holds, then the latest learnt, then the latest event (an id begins with its event's time).
CREATE FUNCTION labels_as_of(moment timestamptz)
RETURNS TABLE (conversation_id uuid, turn integer, task text, labels text[], source text, source_rank smallint,
               at timestamptz, learnt_at timestamptz, value numeric, currency text, event_id uuid)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (conversation_id, task, turn)
           conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, event_id
    FROM outcome_ledger
    WHERE learnt_at <= moment AND (superseded_at > moment) IS NOT FALSE
    ORDER BY conversation_id, task, turn, source_rank, learnt_at DESC, event_id DESC
$$;

-- The outcome that held at `moment` per conversation: the latest learnt of those in force.
CREATE FUNCTION outcomes_as_of(moment timestamptz) RETURNS SETOF outcomes
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT DISTINCT ON (conversation_id) *
    FROM outcomes
    WHERE learnt_at <= moment AND (superseded_at > moment) IS NOT FALSE
    ORDER BY conversation_id, learnt_at DESC, event_id DESC
$$;

-- What holds now is what all that is known comes to. Not as of now(): a transaction that began before something was learnt
-- would take its changed hours and not see it.
CREATE OR REPLACE VIEW current_outcomes AS SELECT * FROM outcomes_as_of('infinity');
CREATE OR REPLACE VIEW current_labels AS SELECT * FROM labels_as_of('infinity');

-- What a source said that does not hold, because a better one says something else of the same turn or conversation. Of each
-- source its latest word counts that nothing superseded; learnt_at: when the later of the two words was learnt. A call
-- that merely ended said nothing of its sale.
CREATE VIEW label_conflicts AS
SELECT conversation_id, turn, task, held_source, held_labels, held_event, source, labels, event_id,
       greatest(learnt_at, held_learnt_at) AS learnt_at
FROM (SELECT word.*, first_value(source_rank) OVER of_truth AS held_rank, first_value(source) OVER of_truth AS held_source,
             first_value(labels) OVER of_truth AS held_labels, first_value(event_id) OVER of_truth AS held_event,
             first_value(learnt_at) OVER of_truth AS held_learnt_at
      FROM (SELECT DISTINCT ON (conversation_id, task, turn, source_rank) *
            FROM outcome_ledger
            WHERE superseded_at IS NULL
            ORDER BY conversation_id, task, turn, source_rank, learnt_at DESC, event_id DESC) AS word
      WINDOW of_truth AS (PARTITION BY conversation_id, task, turn ORDER BY source_rank)) AS judged
WHERE source_rank > held_rank AND NOT (labels @> held_labels AND labels <@ held_labels)
  AND (is_lost OR labels <> '{}' OR task <> 'conversion' OR turn IS NOT NULL);

-- Outcomes and labels that wait for their conversation. A turn, a prediction or an event of the agent makes it, and then
-- they hold as if they had come after it.
CREATE VIEW unmatched_truths AS
SELECT told.*
FROM (SELECT event_id, conversation_id, 'outcome' AS kind, 'agent' AS source, outcome AS said, value, currency, at, learnt_at
      FROM outcomes
      UNION ALL
      SELECT event_id, conversation_id, 'label', source, task || ': ' || array_to_string(labels, ', '), value, currency, at,
             learnt_at
      FROM labels) AS told
WHERE NOT EXISTS (SELECT FROM conversations AS c WHERE c.conversation_id = told.conversation_id);

-- How a sale went, told moment by moment: what held from `since`. superseded_at is that of what held.
CREATE TYPE sale_course AS (
    is_sold boolean, superseded_at timestamptz, sold_learnt_at timestamptz, lost_learnt_at timestamptz,
    refunded_learnt_at timestamptz, label_source text
);

CREATE FUNCTION add_to_course(known sale_course, since timestamptz, is_sold boolean, is_lost boolean,
                              superseded_at timestamptz, label_source text)
RETURNS sale_course
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    -- A sale that no longer holds because what told it was wrong was none; else it was refunded.
    IF known.is_sold AND is_sold IS NOT TRUE AND known.superseded_at <= since THEN
        known := NULL;
    END IF;
    IF is_sold THEN
        known.sold_learnt_at := coalesce(known.sold_learnt_at, since);
        known.refunded_learnt_at := NULL;
    ELSIF known.sold_learnt_at IS NOT NULL THEN
        known.refunded_learnt_at := coalesce(known.refunded_learnt_at, since);
    ELSIF is_lost THEN
        known.lost_learnt_at := coalesce(known.lost_learnt_at, since);
    END IF;
    known.is_sold := is_sold;
    known.superseded_at := superseded_at;
    known.label_source := label_source;
    RETURN known;
END $$;

CREATE AGGREGATE course_of_sale(since timestamptz, is_sold boolean, is_lost boolean, superseded_at timestamptz,
                                label_source text) (
    SFUNC = add_to_course, STYPE = sale_course, PARALLEL = SAFE
);

-- What a sale is worth, told piece by piece. price: the last worth anybody named. net_value: what is left of it; value: the
-- most it was, in this currency. Both are 0 without a sale, and null while nobody has named a worth.
CREATE TYPE sale_worth AS (is_sold boolean, price numeric, value numeric, net_value numeric, currency text);

-- What the sale is worth once this was told too. A value above 0 is what it is worth from now on, whether more or less than
-- before; one below 0 is a refund of so much, which cannot be taken off a sale in another currency. A value without a
-- currency is in that of the sale. speaks: no better source spoke before; where one did, a value only stands in for one
-- that it did not name.
CREATE FUNCTION add_to_worth(known sale_worth, speaks boolean, is_sold boolean, told numeric, told_in text)
RETURNS sale_worth
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    is_elsewhere constant boolean := coalesce(told_in <> known.currency, false);
BEGIN
    IF told > 0 AND (speaks OR known.is_sold IS NOT TRUE OR known.net_value IS NULL) THEN
        known.price := told;
        known.currency := coalesce(told_in, known.currency);
    END IF;
    known.currency := coalesce(known.currency, told_in);
    IF speaks THEN
        known.net_value := CASE
            WHEN told < 0 AND known.net_value IS NOT NULL AND NOT is_elsewhere THEN greatest(known.net_value + told, 0)
            WHEN NOT is_sold THEN 0
            WHEN told >= 0 THEN told
            WHEN known.is_sold THEN known.net_value
            ELSE known.price END;
        known.is_sold := is_sold;
    ELSIF known.is_sold AND known.net_value IS NULL THEN
        known.net_value := known.price;
    END IF;
    known.value := CASE
        WHEN known.net_value IS NULL OR is_elsewhere AND known.currency = told_in THEN known.net_value
        ELSE greatest(known.value, known.net_value) END;
    RETURN known;
END $$;

CREATE AGGREGATE worth_of_sale(speaks boolean, is_sold boolean, told numeric, told_in text) (
    SFUNC = add_to_worth, STYPE = sale_worth, PARALLEL = SAFE
);

-- Every conversation that started in [from_at, to_at), and what was known of its sale at `moment` ('infinity': all that is).
--   is_sold             null while nothing is known
--   sold_learnt_at      when the sale was first known
--   refunded_learnt_at  when it was known that what had been sold no longer is; null while it is
--   lost_learnt_at      when it was known that there would be no sale, if before there was one
--   value, net_value, currency   see sale_worth; a currency of '' is not known
CREATE FUNCTION sales_as_of(moment timestamptz, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (conversation_id uuid, started_at timestamptz, source text, language text, program text, platform text,
               is_sold boolean, sold_learnt_at timestamptz, lost_learnt_at timestamptz, refunded_learnt_at timestamptz,
               value numeric, net_value numeric, currency text, label_source text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH started AS MATERIALIZED (
        SELECT * FROM conversations AS c WHERE c.started_at >= from_at AND c.started_at < to_at
    ), told AS MATERIALIZED (
        SELECT l.conversation_id, l.event_id, l.source, l.source_rank, l.learnt_at, l.value, l.currency, l.superseded_at,
               l.is_lost, 'sold' = ANY (l.labels) AS is_sold
        FROM started JOIN outcome_ledger AS l USING (conversation_id)
        WHERE l.task = 'conversion' AND l.turn IS NULL AND l.learnt_at <= moment
    ), standing AS (
        -- What held from each moment at which something was learnt, as labels_as_of has it.
        SELECT DISTINCT ON (point.conversation_id, point.since)
               point.conversation_id, point.since, told.is_sold, told.is_lost, told.superseded_at, told.source
        FROM (SELECT DISTINCT told.conversation_id, told.learnt_at AS since FROM told) AS point
        LEFT JOIN told ON told.conversation_id = point.conversation_id AND told.learnt_at <= point.since
                      AND (told.superseded_at > point.since) IS NOT FALSE
        ORDER BY point.conversation_id, point.since, told.source_rank, told.learnt_at DESC, told.event_id DESC
    ), course AS (
        SELECT standing.conversation_id,
               course_of_sale(since, standing.is_sold, is_lost, superseded_at, standing.source ORDER BY since) AS of_sale
        FROM standing
        GROUP BY standing.conversation_id
    ), worth AS (
        SELECT spoken.conversation_id,
               worth_of_sale(source_rank = best_rank, spoken.is_sold, spoken.value, spoken.currency
                             ORDER BY learnt_at, event_id) FILTER (WHERE is_in_force) AS of_sale,
               (array_agg(spoken.currency ORDER BY learnt_at DESC, event_id DESC)
                    FILTER (WHERE spoken.currency IS NOT NULL))[1] AS named_last
        FROM (SELECT told.*, (superseded_at > moment) IS NOT FALSE AS is_in_force,
                     min(source_rank) FILTER (WHERE (superseded_at > moment) IS NOT FALSE) OVER so_far AS best_rank
              FROM told
              WINDOW so_far AS (PARTITION BY told.conversation_id ORDER BY learnt_at, event_id)) AS spoken
        GROUP BY spoken.conversation_id
    )
    SELECT s.conversation_id, s.started_at, s.source, s.language, s.program, s.platform, (c.of_sale).is_sold,
           (c.of_sale).sold_learnt_at, (c.of_sale).lost_learnt_at, (c.of_sale).refunded_learnt_at,
           (w.of_sale).value, (w.of_sale).net_value, coalesce((w.of_sale).currency, w.named_last, ''),
           (c.of_sale).label_source
    FROM started AS s
    LEFT JOIN course AS c USING (conversation_id)
    LEFT JOIN worth AS w USING (conversation_id)
$$;

UPDATE outcomes AS known SET superseded_at = s.superseded_at FROM supersessions AS s WHERE s.event_id = known.event_id;
UPDATE labels AS known SET superseded_at = s.superseded_at FROM supersessions AS s WHERE s.event_id = known.event_id;

DROP FUNCTION conversation_truths(uuid[], timestamptz, timestamptz, jsonb);
DROP FUNCTION labelled_predictions(timestamptz, timestamptz, jsonb, uuid[]);

-- What is true of the turns of these conversations between two times. `tasks` is an array of
--   {name, scope, horizon, labels}.
-- Grain: one row per (conversation, turn, task, mode) whose truth is known; labels are those that hold, {} says none does.
--   scope conversation   one row per mode with turn null: the label of the conversation
--   scope turn, detect   the label of that very turn, never a derived one: what read it may have read what is judged
--   scope turn, anticipate   the labels of the next `horizon` customer turns after it (0: of all that follow)
-- Only what somebody said is known: an anticipated truth needs a label, be it {}, on every customer turn it looks at, at
-- least one such turn, and either the whole horizon or a conversation that has ended (it has an outcome). as_of: as it was
-- known then; by default all that is known.
CREATE FUNCTION conversation_truths(ids uuid[], from_at timestamptz, to_at timestamptz, tasks jsonb,
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
        WHERE t.conversation_id = ANY (ids) AND t.at >= from_at AND t.at < to_at
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

-- The predictions of [from_at, to_at) whose truth is known; with `among`, those of these conversations.
-- Grain: one row per (conversation, turn, task, mode, version, label of the task). A label that an answer leaves out has
-- probability 0. Turns are looked up from a day before to seven days after the interval.
CREATE FUNCTION labelled_predictions(from_at timestamptz, to_at timestamptz, tasks jsonb, among uuid[] DEFAULT NULL,
                                     as_of timestamptz DEFAULT 'infinity')
RETURNS TABLE (conversation_id uuid, turn integer, task text, mode text, version text, at timestamptz, label text,
               probability double precision, is_predicted boolean, is_true boolean, label_source text,
               learnt_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH task AS (
        SELECT * FROM jsonb_to_recordset(tasks) AS d(name text, scope text, labels text[])
    ), answer AS MATERIALIZED (
        SELECT p.conversation_id, p.turn, p.task, p.mode, p.version, p.at, p.probabilities, p.labels,
               task.labels AS label_set, CASE WHEN task.scope = 'turn' THEN p.turn ELSE -1 END AS truth_turn
        FROM predictions AS p JOIN task ON task.name = p.task
        WHERE p.at >= from_at AND p.at < to_at AND (among IS NULL OR p.conversation_id = ANY (among))
    )
    SELECT a.conversation_id, a.turn, a.task, a.mode, a.version, a.at, label,
           coalesce((a.probabilities ->> label)::double precision, 0), label = ANY (a.labels),
           label = ANY (truth.labels), truth.label_source, truth.learnt_at
    FROM answer AS a
    JOIN conversation_truths((SELECT array_agg(DISTINCT answer.conversation_id) FROM answer),
                             from_at - interval '1 day', to_at + interval '7 days', tasks, as_of) AS truth
      ON truth.conversation_id = a.conversation_id AND truth.task = a.task AND truth.mode = a.mode
     AND coalesce(truth.turn, -1) = a.truth_turn
    CROSS JOIN unnest(a.label_set) AS label
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION conversation_truths(uuid[], timestamptz, timestamptz, jsonb, timestamptz),
    labelled_predictions(timestamptz, timestamptz, jsonb, uuid[], timestamptz) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION labels_as_of(timestamptz), outcomes_as_of(timestamptz),
    sales_as_of(timestamptz, timestamptz, timestamptz), worth_of_sale(boolean, boolean, numeric, text),
    course_of_sale(timestamptz, boolean, boolean, timestamptz, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION currency_code(text) TO ml_jobs;
GRANT SELECT ON outcome_ledger, supersessions, label_conflicts, unmatched_truths TO ml_jobs, ml_dashboards;
