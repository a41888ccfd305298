from ml_pipeline.metrics.arms import mean_lifts
from ml_pipeline.metrics.metric import Better, Compound, Dimension, Owner, Unit

METRIC = Compound(
    "revenue_lift",
    Unit.MONEY,
    Better.HIGHER,
    Owner.SALES,
    "Slice currency=…,arm=…: net revenue per conversation of this arm minus that of the control arm of "
    "its experiment, over conversations that started in the period; interval by Welch's method.",
    of="net_revenue",
    measure=mean_lifts,
    dimensions=(Dimension.CURRENCY, Dimension.ARM),
    is_only_sliced=True,
)
