-- Events of the log that become no fact, though they should.
CREATE TABLE unprojected_events (
    event_id        uuid        PRIMARY KEY,
    event_type      text        NOT NULL,
    conversation_id uuid,
    reason          text        NOT NULL,
    at              timestamptz NOT NULL,
    arrived_at      timestamptz NOT NULL
);
CREATE INDEX unprojected_events_arrived_at ON unprojected_events (arrived_at);
CREATE INDEX rejected_events_at ON rejected_events (rejected_at);

GRANT SELECT ON unprojected_events TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON unprojected_events TO ml_jobs;

-- Until the end of the transaction the names of these tables, and of the views that read them, mean empty ones of its own;
-- the live ones are public.<name>. What projects and rolls up then works on the own ones, unchanged.
CREATE FUNCTION work_beside(tables text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    made text;
    of_views text[];
BEGIN
    WITH RECURSIVE reading AS (
        SELECT c.oid, 0 AS depth
        FROM pg_class AS c
        WHERE c.relname = ANY (tables) AND c.relnamespace = 'public'::regnamespace
        UNION
        SELECT r.ev_class, reading.depth + 1
        FROM reading
        JOIN pg_depend AS d ON d.refobjid = reading.oid AND d.refclassid = 'pg_class'::regclass
        JOIN pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
        WHERE r.ev_class <> reading.oid
    ), view AS (
        SELECT c.relname, c.oid, max(reading.depth) AS depth
        FROM reading JOIN pg_class AS c USING (oid)
        WHERE c.relkind = 'v'
        GROUP BY c.relname, c.oid
    )
    SELECT array_agg(format('CREATE TEMPORARY VIEW %I AS %s', relname, pg_get_viewdef(oid)) ORDER BY depth, oid)
    INTO of_views
    FROM view;
    FOREACH made IN ARRAY tables LOOP
        EXECUTE format('CREATE TEMPORARY TABLE %1$I (LIKE public.%1$I INCLUDING ALL) ON COMMIT DROP', made);
    END LOOP;
    PERFORM set_config('search_path', 'pg_temp, public', true);
    FOREACH made IN ARRAY coalesce(of_views, '{}') LOOP
        EXECUTE made;
    END LOOP;
    CREATE TEMPORARY TABLE differing (table_name text NOT NULL, row_key jsonb NOT NULL, live jsonb, rebuilt jsonb)
    ON COMMIT DROP;
END $$;

-- Lets every name mean what is live again. The own views are dropped, as they would outlive the transaction.
CREATE FUNCTION leave_beside() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    own text;
BEGIN
    FOR own IN SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'v' LOOP
        EXECUTE format('DROP VIEW IF EXISTS pg_temp.%I CASCADE', own);
    END LOOP;
    PERFORM set_config('search_path', 'public, pg_temp', true);
END $$;

-- Notes in `differing` the rows of a table that are not the same beside it, among those that meet the condition `scope`.
-- live is null where a row lacks, rebuilt where it should not be. Returns how many rows meet it beside.
CREATE FUNCTION compare_rebuilt(of_table text, scope text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    key_columns text;
    key_pairs   text;
    compared    bigint;
BEGIN
    SELECT string_agg(quote_ident(a.attname), ', '), string_agg(format('%L, %I', a.attname, a.attname), ', ')
    INTO key_columns, key_pairs
    FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = format('public.%I', of_table)::regclass AND i.indisprimary;
    EXECUTE format(
        'INSERT INTO differing (table_name, row_key, live, rebuilt)
         SELECT %1$L, jsonb_build_object(%2$s), to_jsonb(live), to_jsonb(rebuilt)
         FROM (SELECT * FROM public.%1$I WHERE %4$s) AS live
         FULL JOIN (SELECT * FROM pg_temp.%1$I WHERE %4$s) AS rebuilt USING (%3$s)
         WHERE live IS DISTINCT FROM rebuilt', of_table, key_pairs, key_columns, scope);
    EXECUTE format('SELECT count(*) FROM pg_temp.%I WHERE %s', of_table, scope) INTO compared;
    RETURN compared;
END $$;

-- Puts the rows noted in `differing` in the place of the live ones.
CREATE FUNCTION swap_rebuilt(of_table text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    same_key text;
BEGIN
    SELECT string_agg(format('row.%1$I = key.%1$I', a.attname), ' AND ')
    INTO same_key
    FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indrelid = format('public.%I', of_table)::regclass AND i.indisprimary;
    EXECUTE format(
        'DELETE FROM public.%1$I AS row
         USING (SELECT (jsonb_populate_record(NULL::public.%1$I, row_key)).* FROM differing WHERE table_name = %1$L) AS key
         WHERE %2$s', of_table, same_key);
    EXECUTE format(
        'INSERT INTO public.%1$I
         SELECT row.*
         FROM pg_temp.%1$I AS row
         JOIN (SELECT (jsonb_populate_record(NULL::public.%1$I, row_key)).*
               FROM differing WHERE table_name = %1$L AND rebuilt IS NOT NULL) AS key ON %2$s', of_table, same_key);
END $$;

REVOKE ALL ON FUNCTION work_beside(text[]), leave_beside(), compare_rebuilt(text, text), swap_rebuilt(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION work_beside(text[]), leave_beside(), compare_rebuilt(text, text), swap_rebuilt(text) TO ml_jobs;
