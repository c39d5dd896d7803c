"""What callbacks of the link have in common."""

from __future__ import annotations

from typing import Any

import keras


class LinkCallback(keras.callbacks.Callback):
    """A callback of a model that is wrapped in `OverTheAir`.

    Keras saves nothing of a callback. What one has to remember is in the link's variables, which
    checkpoints hold, and is read again when training begins.
    """

    @property
    def uplink(self) -> Any:
        """The link of the model.

        Raises:
            ValueError: the model is not `OverTheAir`.
        """
        if not hasattr(self.model, "round_trace"):
            raise ValueError(
                f"{type(self).__name__} needs a model wrapped in OverTheAir; got "
                f"{type(self.model).__name__}."
            )
        return self.model.uplink

    def on_train_begin(self, logs: Any = None) -> None:
        assert self.uplink is not None


class LinkScheduler(LinkCallback):
    """A callback that changes variables of the link before rounds; `move` is the subclass's."""

    moves_energy = False

    def __init__(self) -> None:
        super().__init__()
        self._next = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self._next = self.uplink.rounds
        # Keras gives all callbacks of a `fit` one dict.
        shared = self.params if isinstance(self.params, dict) else {}
        if self.moves_energy and shared.setdefault("moves_energy", self) is not self:
            raise ValueError(
                "one callback alone can move the energy of a round; got "
                f"{type(shared['moves_energy']).__name__} and {type(self).__name__} with snr_db. "
                "Write one course for both: the SNR is the energy over the noise."
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        # The last call of an epoch may have had fewer rounds than steps_per_execution.
        self._next = self.uplink.rounds

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Counted here: reading the link's counter would cost a small round's time.
        first, self._next = self._next, self._next + self.model.steps_per_execution
        self.move(first, self._next)

    def move(self, first: int, last: int) -> None:
        """Set what holds in the rounds `first` to `last` - 1."""
