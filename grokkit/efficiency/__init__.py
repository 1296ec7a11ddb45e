"""What a logit costs each circuit in parameter norm (Fig. 3), and the D_crit that follows from it.

A network that has learned random labels is C_mem alone; one that generalises from a large train set
is C_gen alone if it passes the gate. Each run leaves a triple at its minimum of Eq. (2): correct
logit, parameter norm, D. The norm at a fixed logit is read from them in three ways. By bucket, the
paper's way: runs whose logits are about equal make one isologit line. By interpolation: within one
(D, seed) weight decay moves the network along a curve, and log norm is interpolated against log
logit between the runs of that curve, never beyond them. By a fit of all runs (`Fit`), in which
every seed has a constant of its own.

Nothing here looks at a run of ungrokking: what it says about D_crit is a prediction.
"""

from grokkit.efficiency.critical import (
    by_size,
    common_logit,
    crossing,
    equal_cost_size,
    least,
    minima,
    never_cheaper,
    predicted_by_minimum,
    predicted_by_norm,
)
from grokkit.efficiency.fits import LOGIT, SIZE, Fit, fit, fit_triples, fitted
from grokkit.efficiency.isologit import (
    FITTED,
    GATE,
    N_BUCKETS,
    Bucket,
    buckets,
    gated,
    isologit_slope,
    logit,
    memorised,
    norm,
    norm_at,
    select,
    slope,
    triples,
    values,
)
from grokkit.efficiency.verdicts import (
    FLAT,
    NEAR,
    agrees,
    at_papers_setting,
    efficiency_verdict,
    fits_table,
    gate_table,
    gen_parts,
    gen_verdict,
    has_interval,
    mem_parts,
    mem_verdict,
    orderly,
    prediction_verdict,
    predictions_table,
    ratio,
    slopes,
    slopes_table,
)

__all__ = [
    "FITTED",
    "FLAT",
    "GATE",
    "LOGIT",
    "NEAR",
    "N_BUCKETS",
    "SIZE",
    "Bucket",
    "Fit",
    "agrees",
    "at_papers_setting",
    "buckets",
    "by_size",
    "common_logit",
    "crossing",
    "efficiency_verdict",
    "equal_cost_size",
    "fit",
    "fit_triples",
    "fits_table",
    "fitted",
    "gate_table",
    "gated",
    "gen_parts",
    "gen_verdict",
    "has_interval",
    "isologit_slope",
    "least",
    "logit",
    "mem_parts",
    "mem_verdict",
    "memorised",
    "minima",
    "never_cheaper",
    "norm",
    "norm_at",
    "orderly",
    "predicted_by_minimum",
    "predicted_by_norm",
    "prediction_verdict",
    "predictions_table",
    "ratio",
    "select",
    "slope",
    "slopes",
    "slopes_table",
    "triples",
    "values",
]
