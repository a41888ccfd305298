-- What alert rules found, opened once per (rule, subject) until it is resolved. value, bound, n, headline and evidence are
-- those of the last time it fired; evidence names the hours or ids they come from. Holds nothing that a customer said.
-- resolution: why it is over. An alert may be acknowledged once: somebody knows and sees to it.
CREATE TABLE alerts (
    alert           uuid             PRIMARY KEY DEFAULT gen_random_uuid(),
    rule            text             NOT NULL,
    subject         text             NOT NULL,
    severity        text             NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    owner           text             NOT NULL,
    runbook         text             NOT NULL,
    headline        text             NOT NULL,
    value           double precision NOT NULL,
    bound           double precision NOT NULL,
    n               bigint           NOT NULL,
    evidence        jsonb            NOT NULL,
    opened_at       timestamptz      NOT NULL,
    last_seen_at    timestamptz      NOT NULL,
    acknowledged_at timestamptz,
    acknowledged_by text,
    note            text,
    resolved_at     timestamptz,
    resolution      text
);
CREATE UNIQUE INDEX alerts_one_open ON alerts (rule, subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_opened_at ON alerts (opened_at);

-- How each rule stands with each subject: firing hours in a row, quiet ones below 0; streak_before is the streak before
-- the hour judged last, so that judging that hour again counts it once.
CREATE TABLE alert_standings (
    rule          text        NOT NULL,
    subject       text        NOT NULL,
    judged_until  timestamptz NOT NULL,
    streak        integer     NOT NULL,
    streak_before integer     NOT NULL,
    PRIMARY KEY (rule, subject)
);

-- Notes who sees to an open alert, and why. Returns {status, alert, acknowledged_by, reason}: acknowledged; unchanged
-- where somebody did before, whose name and reason stay; refused, with the reason.
CREATE FUNCTION acknowledge_alert(of_alert uuid, by_actor text, because text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    known  alerts;
    fault  text;
    status text := 'unchanged';
BEGIN
    SELECT * INTO known FROM alerts WHERE alert = of_alert FOR UPDATE;
    fault := CASE WHEN known.alert IS NULL THEN 'there is no such alert'
                  WHEN known.resolved_at IS NOT NULL THEN 'it is resolved'
                  WHEN coalesce(trim(by_actor), '') = '' OR coalesce(trim(because), '') = '' THEN 'say who and why' END;
    IF fault IS NULL AND known.acknowledged_at IS NULL THEN
        UPDATE alerts SET acknowledged_at = now(), acknowledged_by = by_actor, note = because
        WHERE alert = of_alert
        RETURNING * INTO known;
        status := 'acknowledged';
    END IF;
    RETURN jsonb_build_object('status', CASE WHEN fault IS NULL THEN status ELSE 'refused' END, 'alert', of_alert,
                              'acknowledged_by', known.acknowledged_by, 'reason', coalesce(fault, known.note));
END $$;

REVOKE ALL ON FUNCTION acknowledge_alert(uuid, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION acknowledge_alert(uuid, text, text) TO ml_jobs, ml_dashboards;
GRANT SELECT ON alerts, alert_standings TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON alert_standings TO ml_jobs;
GRANT INSERT, UPDATE (last_seen_at, headline, value, bound, n, evidence, resolved_at, resolution) ON alerts TO ml_jobs;
