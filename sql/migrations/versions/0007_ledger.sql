ALTER TABLE outcomes ADD COLUMN supersedes uuid;
CREATE INDEX outcomes_supersedes ON outcomes (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX labels_supersedes ON labels (supersedes) WHERE supersedes IS NOT NULL;

-- Everything anybody told about what is true: the labels, and the sale that each outcome tells, which is a label of the
-- task `conversion` from the agent that reported it. is_lost: it says that there will be no sale. That a call was
-- completed or abandoned does not say so: a sale may follow.
CREATE VIEW told_truths AS
SELECT event_id, conversation_id, turn, task, labels, source, source_rank, at, learnt_at, value, currency, supersedes,
       task = 'conversion' AND turn IS NULL AND labels = '{}' AS is_lost
FROM labels
UNION ALL
SELECT event_id, conversation_id, NULL, 'conversion', CASE WHEN is_sold THEN ARRAY['sold'] ELSE ARRAY[]::text[] END,
       'agent', 3::smallint, at, learnt_at, value, currency, supersedes,
       NOT is_sold AND (coalesce(value <= 0, false) OR outcome IN ('lost', 'declined', 'rejected', 'not_interested'))
FROM outcomes;

-- Each of them with the moment from which another one supersedes it, null while none does. It is superseded for good by
-- any that names it, whichever of the two arrives first, if that is of the same conversation and task, both hold for a
-- turn or both for the conversation, and its own source ranks no lower.
CREATE VIEW outcome_ledger AS
SELECT told.*, (SELECT min(later.learnt_at)
                FROM told_truths AS later
                WHERE later.supersedes = told.event_id AND later.conversation_id = told.conversation_id
                  AND later.task = told.task AND (later.turn IS NULL) = (told.turn IS NULL)
                  AND later.source_rank <= told.source_rank) AS superseded_at
FROM told_truths AS told;

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
    SELECT DISTINCT ON (o.conversation_id) o.*
    FROM outcomes AS o JOIN outcome_ledger AS l USING (event_id)
    WHERE o.learnt_at <= moment AND (l.superseded_at > moment) IS NOT FALSE
    ORDER BY o.conversation_id, o.learnt_at DESC, o.event_id DESC
$$;

-- What holds now is what all that is known comes to. Not as of now(): a transaction that began before something was learnt
-- would take its changed hours and not see it.
CREATE OR REPLACE VIEW current_outcomes AS SELECT * FROM outcomes_as_of('infinity');
CREATE OR REPLACE VIEW current_labels AS SELECT * FROM labels_as_of('infinity');

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

-- Every conversation that started in [from_at, to_at), and what was known of its sale at `moment`.
--   is_sold             null while nothing is known
--   sold_learnt_at      when the sale was first known; a sale whose every word was superseded by a no was none
--   refunded_learnt_at  when it was known that what had been sold no longer is; null while it is
--   lost_learnt_at      when it was known that there would be no sale, if before there was one
--   value, net_value, currency   see sale_worth; a currency of '' is not known
CREATE FUNCTION sales_as_of(moment timestamptz, from_at timestamptz, to_at timestamptz)
RETURNS TABLE (conversation_id uuid, started_at timestamptz, source text, language text, program text, platform text,
               is_sold boolean, sold_learnt_at timestamptz, lost_learnt_at timestamptz, refunded_learnt_at timestamptz,
               value numeric, net_value numeric, currency text, label_source text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH started AS MATERIALIZED (
        SELECT c.conversation_id, c.started_at, c.source, c.language, c.program, c.platform
        FROM conversations AS c
        WHERE c.started_at >= from_at AND c.started_at < to_at
    ), told AS MATERIALIZED (
        SELECT l.conversation_id, l.event_id, l.source, l.source_rank, l.learnt_at, l.value, l.currency, l.superseded_at,
               l.is_lost, 'sold' = ANY (l.labels) AS is_sold
        FROM started JOIN outcome_ledger AS l USING (conversation_id)
        WHERE l.task = 'conversion' AND l.turn IS NULL AND l.learnt_at <= moment
    ), standing AS (
        -- What held from each moment at which something was learnt, as labels_as_of has it.
        SELECT DISTINCT ON (point.conversation_id, point.learnt_at)
               point.conversation_id, point.learnt_at AS since, told.is_sold, told.is_lost, told.superseded_at, told.source
        FROM (SELECT DISTINCT told.conversation_id, told.learnt_at FROM told) AS point
        LEFT JOIN told ON told.conversation_id = point.conversation_id AND told.learnt_at <= point.learnt_at
                      AND (told.superseded_at > point.learnt_at) IS NOT FALSE
        ORDER BY point.conversation_id, point.learnt_at, told.source_rank, told.learnt_at DESC, told.event_id DESC
    ), step AS (
        SELECT s.*, lag(s.is_sold) OVER in_order AND s.is_sold IS NOT TRUE
                    AND coalesce(lag(s.superseded_at) OVER in_order <= s.since, false) AS is_correction,
               max(s.since) OVER (PARTITION BY s.conversation_id) = s.since AS is_last
        FROM standing AS s
        WINDOW in_order AS (PARTITION BY s.conversation_id ORDER BY s.since)
    ), life AS (
        -- A correction of a sale begins the story anew.
        SELECT step.*, coalesce(max(since) FILTER (WHERE is_correction) OVER (PARTITION BY conversation_id), '-infinity')
                       AS begun_at
        FROM step
    ), turning AS (
        SELECT l.conversation_id, min(l.since) FILTER (WHERE l.is_sold) AS sold_learnt_at,
               max(l.since) FILTER (WHERE l.is_sold) AS last_sold_at,
               bool_or(l.is_sold) FILTER (WHERE l.is_last) AS is_sold,
               min(l.source) FILTER (WHERE l.is_last) AS label_source
        FROM life AS l
        WHERE l.since >= l.begun_at
        GROUP BY l.conversation_id
    ), moments AS (
        SELECT t.conversation_id, t.sold_learnt_at, t.is_sold, t.label_source,
               min(l.since) FILTER (WHERE l.is_lost AND (t.sold_learnt_at IS NULL OR l.since < t.sold_learnt_at))
                   AS lost_learnt_at,
               min(l.since) FILTER (WHERE l.since > t.last_sold_at) AS refunded_learnt_at
        FROM turning AS t JOIN life AS l USING (conversation_id)
        WHERE l.since >= l.begun_at
        GROUP BY t.conversation_id, t.sold_learnt_at, t.is_sold, t.label_source
    ), worth AS (
        SELECT force.conversation_id,
               worth_of_sale(source_rank = best_rank, force.is_sold, force.value, force.currency
                             ORDER BY learnt_at, event_id) AS known
        FROM (SELECT told.*, min(source_rank) OVER (PARTITION BY told.conversation_id ORDER BY learnt_at, event_id)
                             AS best_rank
              FROM told
              WHERE (superseded_at > moment) IS NOT FALSE) AS force
        GROUP BY force.conversation_id
    )
    SELECT s.conversation_id, s.started_at, s.source, s.language, s.program, s.platform, m.is_sold, m.sold_learnt_at,
           m.lost_learnt_at, m.refunded_learnt_at, (w.known).value, (w.known).net_value,
           coalesce((w.known).currency, ''), m.label_source
    FROM started AS s
    LEFT JOIN moments AS m USING (conversation_id)
    LEFT JOIN worth AS w USING (conversation_id)
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC;
GRANT EXECUTE ON FUNCTION labels_as_of(timestamptz), outcomes_as_of(timestamptz),
    sales_as_of(timestamptz, timestamptz, timestamptz), worth_of_sale(boolean, boolean, numeric, text)
    TO ml_jobs, ml_dashboards;
GRANT SELECT ON told_truths, outcome_ledger TO ml_jobs, ml_dashboards;
