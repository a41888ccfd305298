-- How sales become known with age, of the conversations of a reference that are all mature. Kept at the ages `age_hours`:
-- cif, the share sold before that age; open_share, neither sold nor lost; known_share, F = cif / its last.
-- dispersion: how much more days vary than independent conversations would make them.
CREATE TABLE delay_curves (
    as_of           timestamptz        NOT NULL,
    slice           text               NOT NULL,
    reference_start timestamptz        NOT NULL,
    reference_end   timestamptz        NOT NULL,
    n               bigint             NOT NULL,
    sales           bigint             NOT NULL,
    age_hours       integer[]          NOT NULL,
    cif             double precision[] NOT NULL,
    open_share      double precision[] NOT NULL,
    known_share     double precision[] NOT NULL,
    dispersion      double precision   NOT NULL,
    PRIMARY KEY (as_of, slice)
);

-- Sold conversations of those that started in a window, as known at `as_of`, and what their share will have become once all
-- are mature, with its 95 % interval; where that cannot be said, corrected_rate is null and reason says why.
--   settled_share   expected share of conversations of which nothing more will be learnt
--   curve_slice     whose delay curve corrected it, '' for that of all; null: none, or none was needed
--   revenue         {currency: {gross, net, expected_net}}
--   is_provisional  some conversation is not mature, or some sale can still be refunded
CREATE TABLE matured_rates (
    as_of          timestamptz      NOT NULL,
    window_start   timestamptz      NOT NULL,
    window_end     timestamptz      NOT NULL,
    slice          text             NOT NULL,
    n_total        bigint           NOT NULL,
    n_mature       bigint           NOT NULL,
    sold           bigint           NOT NULL,
    naive_rate     double precision NOT NULL,
    corrected_rate double precision,
    low            double precision,
    high           double precision,
    settled_share  double precision,
    curve_slice    text,
    revenue        jsonb            NOT NULL,
    is_provisional boolean          NOT NULL,
    reason         text,
    PRIMARY KEY (as_of, window_start, window_end, slice),
    CHECK ((corrected_rate IS NULL) = (reason IS NOT NULL))
);

CREATE VIEW current_matured_rates AS
SELECT * FROM matured_rates WHERE as_of = (SELECT max(as_of) FROM matured_rates);

ALTER TABLE drift_checks DROP CONSTRAINT drift_checks_kind_check;
ALTER TABLE drift_checks ADD CONSTRAINT drift_checks_kind_check
    CHECK (kind IN ('data', 'prediction', 'label', 'performance', 'delay'));

GRANT SELECT ON delay_curves, matured_rates, current_matured_rates TO ml_jobs, ml_dashboards;
GRANT INSERT, UPDATE, DELETE ON delay_curves, matured_rates TO ml_jobs;
