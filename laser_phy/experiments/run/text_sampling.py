"""The text that a trained language model writes at the end of a run."""

from __future__ import annotations

import contextlib

from laser_phy.experiments.run.experiment import Experiment
from laser_phy.experiments.text_sample import Sample


def written_text(sample: Sample, experiment: Experiment) -> str:
    """Prompt and what follows, by the running mean of the weights where there is one.

    Raises:
        ValueError: data without a tokenizer, or a model that does not take sequences.
    """
    from laser_phy.models import generate

    data, wrapper = experiment.data, experiment.model
    if data.tokenizer is None:
        raise ValueError(f"sample needs text; data set {data.name!r} is of {data.kind}s.")
    weights = wrapper.ema_weights() if wrapper.ema is not None else contextlib.nullcontext()
    with weights:
        tokens = generate(
            wrapper.model,
            data.tokenizer.encode(sample.prompt),
            sample.tokens,
            temperature=sample.temperature,
            seed=experiment.scenario.seed,
            vocabulary=data.num_classes,
            context=data.input_shape[0],
        )
    # What is no character, or would move a terminal's cursor about, becomes a mark.
    text = data.tokenizer.decode(tokens)
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
