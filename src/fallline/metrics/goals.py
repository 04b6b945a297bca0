"""Whether a metric is maximised or minimised: as declared, else as known of its name, else unknown.

A metric is known by its last words: ``val_rmse`` is an rmse and ``macro_f1`` an F1. For any other name there is no
guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fallline.contracts.metric_name import MetricName

MORE = frozenset(
    (
        "accuracy",
        "acc",
        "auc",
        "auroc",
        "auprc",
        "average_precision",
        "f1",
        "f1_score",
        "fbeta",
        "precision",
        "recall",
        "sensitivity",
        "specificity",
        "true_positive_rate",
        "true_negative_rate",
        "tpr",
        "tnr",
        "hit_rate",
        "r2",
        "r2_score",
        "r_squared",
        "explained_variance",
        "correlation",
        "pearson",
        "spearman",
        "mcc",
        "matthews",
        "kappa",
        "cohen_kappa",
        "iou",
        "jaccard",
        "dice",
        "map",
        "ndcg",
        "mrr",
        "bleu",
        "rouge",
        "psnr",
        "ssim",
        "log_likelihood",
        "likelihood",
        "reward",
        "similarity",
    )
)
"""More is better."""

LESS = frozenset(
    (
        "rmse",
        "mse",
        "mae",
        "mape",
        "smape",
        "mdape",
        "mase",
        "rmsle",
        "msle",
        "nll",
        "neg_log_likelihood",
        "negative_log_likelihood",
        "cross_entropy",
        "bce",
        "perplexity",
        "ppl",
        "brier",
        "brier_score",
        "ece",
        "mce",
        "error_rate",
        "misclassification_rate",
        "misclassification",
        "mistakes",
        "deviance",
        "hinge",
        "wer",
        "cer",
        "fid",
        "kl",
        "kl_divergence",
        "divergence",
        "regret",
        "distance",
        "residual",
        "bits_per_byte",
        "bits_per_dim",
        "bpc",
        "false_positive_rate",
        "false_negative_rate",
        "fpr",
        "fnr",
        "eer",
        "absolute_deviation",
    )
)
"""Less is better; so it is of every name that ends in "loss" or "error"."""

_TURNED = ("neg_", "negative_", "minus_", "one_minus_", "inverse_", "inv_")


def goal_of(metric: str, declared: Mapping[str, str] | None = None) -> str | None:
    """ "max" or "min", or None for a name that says neither. ``declared`` are goals by the metric's name.

    ``metric`` is its name or a column of it: ``best_validation_f1``.
    """
    name = _bare(MetricName.parse(metric))
    for known in (metric, name):
        if declared and known in declared:
            return declared[known]
    name = name.casefold()
    if name in LESS or name.endswith(("loss", "error")):
        return "min"
    if name.startswith(_TURNED):
        return None
    words = name.split("_")
    ends = ["_".join(words[first:]) for first in range(len(words))]  # the longest first
    return next((goal for end in ends for goal, names in (("min", LESS), ("max", MORE)) if end in names), None)


def _bare(name: MetricName) -> str:
    """The metric's own name, without statistic, split and logged step; means over classes are named as the metric."""
    if not name.split:
        return str(replace(name, at=None))
    return str(MetricName(name.metric.removeprefix("macro_"), is_step_of=name.is_step_of))


def higher_is_better(metric: str, declared: Mapping[str, str] | None = None) -> bool:
    """Whether a recorded metric is maximised. Runs ask for a goal; where an older one has none, it is."""
    return goal_of(metric, declared) != "min"
