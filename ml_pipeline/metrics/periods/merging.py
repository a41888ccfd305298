from ml_pipeline.database.engine import Transaction
from ml_pipeline.metrics.catalogue import COMPOUNDS, METRICS
from ml_pipeline.metrics.periods import store


def merge_periods(tx: Transaction) -> int:
    """Make the days and weeks of the hours that this transaction rolled up again; return how many rows."""
    rows = store.merge(tx, METRICS.values())
    controls = store.control_arms(tx)
    parts = store.merged_parts(tx, {compound.of for compound in COMPOUNDS.values()})
    measured = (
        (compound, group, merged.hours, compound.measure(merged.slices, controls))
        for compound in COMPOUNDS.values()
        for group, merged in parts.get(compound.of, {}).items()
    )
    return rows + store.keep_compounds(tx, measured)
