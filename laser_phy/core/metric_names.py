"""What is told of a metric by its name alone."""

from __future__ import annotations

LOWER = (
    "loss", "perplexity", "error", "crossentropy", "divergence", "poisson", "hinge", "huber",
    "logcosh", "log_cosh", "false_positives", "false_negatives",
)  # fmt: skip
"""Words in the names of metrics that are to be small."""


def higher_is_better(metric: str) -> bool:
    """Which way is better."""
    return not any(word in metric for word in LOWER)


def is_share(metric: str) -> bool:
    """It lies between 0 and 1, and is shown in %."""
    return "accuracy" in metric
