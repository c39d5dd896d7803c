"""How the contract suites say what is broken: the kind, the rule, what was seen."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from laser_phy.core.contract import ContractError, sentence_in
from laser_phy.core.kinds import FAMILIES, Kind


class Contract:
    """The rules that one kind is held to.

    Args:
        kind: an instance of it.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.word = next(one.word for one in FAMILIES if isinstance(kind, one.base))

    def holds(self, rule: str, condition: Any, seen: str = "") -> None:
        """Raise AssertionError unless `condition`.

        Args:
            rule: as a sentence that begins with "must".
            condition: whether it is kept.
            seen: what was seen instead.
        """
        if not condition:
            end = f"; got {seen}" if seen else ""
            raise AssertionError(f"{self.word} {self.kind.name!r} {rule}{end}.")

    def finite(self, what: str, *tensors: Any) -> None:
        """Raise AssertionError where a tensor has NaN or infinity."""
        for tensor in tensors:
            bad = np.count_nonzero(~np.isfinite(np.asarray(tensor)))
            self.holds(f"must give finite numbers for {what}", bad == 0, f"{bad} that are not")

    def equal(self, rule: str, one: Any, other: Any, tolerance: float = 1e-5) -> None:
        """Raise AssertionError where two tensors differ by more than `tolerance` of the largest."""
        one, other = np.asarray(one), np.asarray(other)
        self.holds(rule, one.shape == other.shape, f"shapes {one.shape} and {other.shape}")
        if one.size:
            one, other = one.astype(np.complex128), other.astype(np.complex128)
            scale = max(float(np.max(np.abs(other))), 1e-30)
            away = float(np.max(np.abs(one - other)))
            self.holds(
                rule, away <= tolerance * scale, f"a difference of {away:.3g} in {scale:.3g}"
            )

    def mean_is(self, rule: str, samples: Any, expected: float, spare: float = 0.0) -> None:
        """Raise AssertionError where a mean is further than five sigma from `expected`.

        Args:
            rule: as a sentence that begins with "must".
            samples: [sample], independent.
            expected: their mean.
            spare: allowed besides, for what was worked out numerically.
        """
        samples = np.asarray(samples, np.float64)
        sigma = samples.std() / len(samples) ** 0.5
        mean = float(samples.mean())
        limit = 5 * sigma + spare + 1e-6 * abs(expected)
        seen = f"{mean:.5g} where {expected:.5g} is due, {limit:.2g} apart at most"
        self.holds(rule, abs(mean - expected) <= limit, seen)

    @contextlib.contextmanager
    def while_running(self) -> Iterator[None]:
        """Turn what the link itself finds of a broken contract into AssertionError."""
        try:
            yield
        except ContractError as error:
            sentence: str | None = str(error)
        except tf.errors.InvalidArgumentError as error:
            sentence = sentence_in(error)
            if sentence is None:
                raise
        else:
            return
        raise AssertionError(f"{self.word} {self.kind.name!r} must keep its contract: {sentence}")

    def comes_back(self) -> None:
        """Raise AssertionError unless the kind's settings are given back as they were."""
        config = self.kind.to_config()
        fields = config if isinstance(config, dict) else {"name": config}
        back = type(self.kind).from_config(fields)
        self.holds("must come back from its own `to_config`", back == self.kind, f"{back!r}")
