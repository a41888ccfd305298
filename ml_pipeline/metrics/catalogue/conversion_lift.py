from ml_pipeline.metrics.arms import share_lifts
from ml_pipeline.metrics.metric import Better, Compound, Dimension, Owner, Unit

METRIC = Compound(
    "conversion_lift",
    Unit.POINTS,
    Better.HIGHER,
    Owner.SALES,
    "Slice arm=…: conversion rate of this arm minus that of the control arm of its experiment, over "
    "conversations that started in the period; interval by Newcombe's method 10.",
    of="conversion_rate",
    measure=share_lifts,
    dimensions=(Dimension.ARM,),
    is_only_sliced=True,
)
