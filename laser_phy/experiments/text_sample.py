"""Text that a trained language model writes at the end of a run, `task.sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laser_phy.core.settings import Settings, setting

if TYPE_CHECKING:
    from laser_phy.experiments.run.experiment import Experiment


class Sample(Settings):
    """What is asked of the model."""

    tokens: int = setting(400, ge=1, le=100_000, unit="tokens")
    """Tokens to write."""
    prompt: str = setting("\n", min_length=1)
    """What it goes on from."""
    temperature: float = setting(0.8, ge=0, le=100)
    """1 draws from the model's own probabilities, less is safer, 0 takes the most probable."""

    def write(self, assembly: Experiment) -> str:
        """Prompt and what follows, by the running mean of the weights where there is one.

        Raises:
            ValueError: data without a tokenizer, or a model that does not take sequences.
        """
        import contextlib

        from laser_phy.models import generate

        data, wrapper = assembly.data, assembly.model
        if data.tokenizer is None:
            raise ValueError(f"sample needs text; data set {data.name!r} is of {data.kind}s.")
        weights = wrapper.ema_weights() if wrapper.ema is not None else contextlib.nullcontext()
        with weights:
            tokens = generate(
                wrapper.model,
                data.tokenizer.encode(self.prompt),
                self.tokens,
                temperature=self.temperature,
                seed=assembly.scenario.seed,
                vocabulary=data.num_classes,
                context=data.input_shape[0],
            )
        # What is no character, or would move a terminal's cursor about, becomes a mark.
        text = data.tokenizer.decode(tokens)
        return "".join(
            c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text
        )
