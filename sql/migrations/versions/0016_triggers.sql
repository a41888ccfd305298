-- What a request for retraining is about, and which run has it.
ALTER TABLE retraining_requests
    ADD COLUMN source text NOT NULL DEFAULT 'agent' CHECK (source IN ('agent', 'trigger', 'person')),
    ADD COLUMN actor text NOT NULL DEFAULT 'agent',
    ADD COLUMN from_at timestamptz,
    ADD COLUMN to_at timestamptz,
    ADD COLUMN is_dry_run boolean NOT NULL DEFAULT false,
    ADD COLUMN accepted_at timestamptz,
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN retraining uuid,
    ADD CHECK (from_at < to_at);

-- What was said each time somebody looked whether a task needs retraining. findings: what each trigger said of it;
-- standing: what they were told; request: what was asked for, where anything was.
CREATE TABLE trigger_evaluations (
    evaluation   uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    evaluated_at timestamptz NOT NULL,
    task         text        NOT NULL,
    mode         text        NOT NULL,
    verdict      text        NOT NULL,
    reason       text        NOT NULL,
    findings     jsonb       NOT NULL,
    standing     jsonb       NOT NULL,
    request      uuid        REFERENCES retraining_requests
);
CREATE INDEX trigger_evaluations_of_task ON trigger_evaluations (task, mode, evaluated_at);

-- What a version waits for a person's word to become. Asked once per (task, mode, version, step) and answered once, by a
-- person or, after answer_by, by default_answer; only the functions below answer. shown_in: the Airflow run that shows it.
CREATE TABLE approvals (
    approval       uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    kind           text        NOT NULL CHECK (kind IN ('first', 'shadow', 'canary', 'champion')),
    task           text        NOT NULL,
    mode           text        NOT NULL,
    version        text        NOT NULL,
    step           text        NOT NULL,
    headline       text        NOT NULL,
    evidence       jsonb       NOT NULL,
    asked_at       timestamptz NOT NULL DEFAULT now(),
    answer_by      timestamptz NOT NULL,
    default_answer boolean     NOT NULL,
    answered_at    timestamptz,
    is_granted     boolean,
    actor          text,
    reason         text,
    shown_in       text,
    UNIQUE (task, mode, version, step),
    CHECK (num_nulls(answered_at, is_granted, actor, reason) IN (0, 4))
);
CREATE INDEX approvals_waiting ON approvals (answer_by) WHERE answered_at IS NULL;

-- Lets the default hold for what nobody answered in time. Returns of how many.
CREATE FUNCTION expire_approvals() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH ended AS (
        UPDATE approvals
        SET answered_at = now(), is_granted = default_answer, actor = 'time-out',
            reason = 'nobody answered by ' || to_char(answer_by AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
        WHERE answered_at IS NULL AND answer_by <= now()
        RETURNING approval
    )
    SELECT count(*) FROM ended
$$;

-- Records a person's word. The first one holds, and so does the default once the time is over. Returns {status, approval,
-- is_granted, actor, reason}; status is answered, unchanged or refused, and only answered has changed anything.
CREATE FUNCTION answer_approval(of_approval uuid, grants boolean, by_actor text, because text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known  approvals;
    fault  text;
    status text := 'unchanged';
BEGIN
    PERFORM expire_approvals();
    SELECT * INTO known FROM approvals WHERE approval = of_approval FOR UPDATE;
    fault := CASE WHEN known.approval IS NULL THEN 'there is no such approval'
                  WHEN grants IS NULL THEN 'say yes or no'
                  WHEN coalesce(trim(by_actor), '') = '' OR coalesce(trim(because), '') = '' THEN 'say who and why' END;
    IF fault IS NULL AND known.answered_at IS NULL THEN
        UPDATE approvals SET answered_at = now(), is_granted = grants, actor = by_actor, reason = because
        WHERE approval = of_approval
        RETURNING * INTO known;
        status := 'answered';
    END IF;
    RETURN jsonb_build_object('status', CASE WHEN fault IS NULL THEN status ELSE 'refused' END, 'approval', of_approval,
                              'is_granted', known.is_granted, 'actor', known.actor, 'reason', coalesce(fault, known.reason));
END $$;

REVOKE ALL ON FUNCTION expire_approvals(), answer_approval(uuid, boolean, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION answer_approval(uuid, boolean, text, text) TO ml_jobs, ml_dashboards;
GRANT EXECUTE ON FUNCTION expire_approvals() TO ml_jobs;
GRANT SELECT ON trigger_evaluations, approvals TO ml_jobs, ml_dashboards;
GRANT INSERT ON trigger_evaluations TO ml_jobs;
GRANT INSERT, UPDATE (shown_in) ON approvals TO ml_jobs;
