"""What a data set is once it is in memory, and what every kind of data set has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from laser_phy.core.errors import Refusal
from laser_phy.core.kinds import Kind

Array = NDArray[Any]
Modality = Literal["image", "text", "array"]
Target = Literal["class", "token", "labels", "real"]
Batch = tuple[Any, Any]
Fetch = Callable[[Any, Any], Batch]
"""`fetch(indices [batch], key [2]) -> (x, y)`: tensors of one batch; the key fixes every draw."""
Sampler = Callable[[Array, Array], Fetch]
"""`sampler(x_train, y_train) -> fetch`: how batches are made from the training examples."""


class DataError(Refusal):
    """Data that cannot be read or cannot be used as asked; the message says what to do."""


class Tokenizer(Protocol):
    """Text to tokens and back, once it is trained."""

    @property
    def vocabulary(self) -> int:
        """Number of tokens; they are 0 to this minus one."""

    def encode(self, text: str) -> NDArray[np.int32]:
        """Tokens [position] of a text."""

    def decode(self, tokens: Any) -> str:
        """Text of tokens [position]; broken characters at the ends become replacement marks."""


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in memory.

    `kind` says what `x_*` is: images, float32 [example, height, width, channel], normalised; text,
    int32 [sequence, context], the tokens; an array, float32 [example, feature] or, of sequences,
    [example, step, feature]. `target` says what `y_*` is: `class`, int32 [example]; `token`, int32
    [sequence, context], what follows each; `labels`, float32 [example, label], 0 or 1; `real`,
    float32 [example, output].
    """

    name: str
    kind: Modality
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    num_classes: int = 0
    """Classes, or size of a vocabulary; 0 where there are none."""
    class_names: tuple[str, ...] = ()
    """Names of the classes, in order; empty where there are none."""
    sampler: Sampler | None = None
    """How a batch is made from training examples; None takes them as they are."""
    tokenizer: Tokenizer | None = None
    """From text to tokens and back."""
    target: Target = "class"
    """What there is to learn."""

    @property
    def outputs(self) -> int:
        """Numbers that a model must give: a logit a class, token or label, or the reals."""
        return self.num_classes or int(self.y_train.shape[-1])

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example: (height, width, channels) or (context,)."""
        return tuple(self.x_train.shape[1:])


class Dataset(Kind):
    """What every kind of data set has. A kind writes `load`, and says its `kind`.

    Attributes:
        kind: of data that it gives.
        with_keras: reading it takes Keras.
    """

    kind: ClassVar[Modality] = "array"
    with_keras: ClassVar[bool] = False

    @property
    def kinds(self) -> tuple[Modality, ...]:
        """What it may turn out to be, once it is read."""
        return (self.kind,)

    def load(self, seed: int = 0) -> Data:
        """Read everything into memory.

        Args:
            seed: fixes what the data set draws, where it draws anything.

        Raises:
            DataError: if a file is missing or its content does not fit; says what to do.
        """
        raise NotImplementedError

    @property
    def train_examples_known(self) -> int | None:
        """Training examples, where that can be told without reading them."""
        return None


def evenly_spaced(total: int, wanted: int | None) -> NDArray[np.int64]:
    """Which `wanted` of `total` examples to keep.

    They are spread over the whole file: the first ones of a file ordered by class would lack
    most classes.
    """
    if wanted is None or wanted >= total:
        return np.arange(total)
    return np.arange(wanted) * total // wanted
