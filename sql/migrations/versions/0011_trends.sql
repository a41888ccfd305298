-- Of how many hours a period is made; the table was empty so far.
ALTER TABLE metric_periods ADD COLUMN hours integer NOT NULL;

-- How many standard errors a 95 % interval reaches to either side with so many degrees of freedom: exact to four digits up
-- to 4, beyond by the expansion of Cornish and Fisher, at most 0.2 % low.
CREATE FUNCTION student_95(freedom bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN freedom <= 4 THEN (ARRAY[12.7062, 4.3027, 3.1824, 2.7764])[freedom::integer]
            ELSE 1.959964 + 2.37227 / freedom + 2.8225 / freedom ^ 2 + 2.5558 / freedom ^ 3 END;

-- How metrics went until as_of, the end of the last day whose hours may all be read: level over the day or the seven days
-- before it, and the change against the same span a week earlier, at this span's traffic of each weekday. Bounds are of
-- 95 %, null where too few days tell how days vary; is_significant holds after all comparisons of the family.
CREATE TABLE metric_trends (
    as_of          timestamptz      NOT NULL,
    grain          text             NOT NULL CHECK (grain IN ('day', 'week')),
    metric         text             NOT NULL,
    task           text             NOT NULL,
    mode           text             NOT NULL,
    version        text             NOT NULL,
    slice          text             NOT NULL,
    level          double precision NOT NULL,
    low            double precision,
    high           double precision,
    n              bigint           NOT NULL,
    change         double precision,          -- null, like compared_with: nothing to compare with
    change_low     double precision,
    change_high    double precision,
    p_value        double precision,
    compared_with  timestamptz,               -- when the earlier span starts
    is_significant boolean          NOT NULL,
    PRIMARY KEY (as_of, grain, metric, task, mode, version, slice)
);

-- Since when a metric is at another level. Recorded once, when it was found; facts that come later do not move it.
-- before: the mean of the four weeks before, on the weekdays of after; after: the mean from `at` until detected_at, the
-- end of the last day that was looked at.
CREATE TABLE change_points (
    metric      text             NOT NULL,
    task        text             NOT NULL,
    mode        text             NOT NULL,
    version     text             NOT NULL,
    slice       text             NOT NULL,
    at          timestamptz      NOT NULL,
    before      double precision NOT NULL,
    after       double precision NOT NULL,
    detected_at timestamptz      NOT NULL,
    evidence    jsonb            NOT NULL,
    PRIMARY KEY (metric, task, mode, version, slice, at)
);

REVOKE ALL ON FUNCTION student_95(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION student_95(bigint) TO ml_jobs;
GRANT SELECT ON metric_trends, change_points TO ml_jobs, ml_dashboards;
GRANT INSERT, DELETE ON metric_trends TO ml_jobs;
GRANT INSERT ON change_points TO ml_jobs;
