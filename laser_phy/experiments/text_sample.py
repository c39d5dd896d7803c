"""Text that a trained language model writes at the end of a run, `task.sample`."""

from __future__ import annotations

from laser_phy.core.settings import Settings, setting


class Sample(Settings):
    """What is asked of the model."""

    tokens: int = setting(400, ge=1, le=100_000, unit="tokens")
    """Tokens to write."""
    prompt: str = setting("\n", min_length=1)
    """What it goes on from."""
    temperature: float = setting(0.8, ge=0, le=100)
    """1 draws from the model's own probabilities, less is safer, 0 takes the most probable."""
