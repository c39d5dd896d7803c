"""The energy in the top components of each layer's gradient, over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from laser_phy.callbacks.line_figure import Panel, draw
from laser_phy.compressors.matrix_view import square_split
from laser_phy.core import files
from laser_phy.core.errors import at_least
from laser_phy.theory import top_energy


class GradientSpectrum(keras.callbacks.Callback):
    """How close to low rank the gradients are: Figure 6 of the LASER paper, which has top = 8.

    At the end of epochs the gradient of the loss on the given examples is computed, as in training,
    and of every matrix in it the share of its energy in its `top` largest singular values. Tensors
    are the matrices that compressors make of them; those with no more than `top` rows or columns
    are left out. Training goes on as if nothing had happened. Works with any Keras model.

    Args:
        x: examples, a worker's batch for what a worker compresses.
        y: their labels.
        top: components.
        every: epochs between two looks.
        layers: parts of names of variables to look at ("conv1/kernel"); all by default.
        csv: file of the rows. A resumed run goes on with it.
        picture: file that is drawn anew at every look, PNG or SVG.

    Attributes:
        rows: epoch, and the share of every variable, by its path in the model.

    Raises:
        ValueError: top or every < 1, or no variable is large enough.
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        top: int = 8,
        every: int = 1,
        layers: Sequence[str] | None = None,
        csv: str | Path | None = None,
        picture: str | Path | None = None,
    ) -> None:
        super().__init__()
        for name, value in {"top": top, "every": every}.items():
            at_least(name, value)
        self.top, self._every, self._layers = top, every, layers
        self._x, self._y = keras.tree.map_structure(tf.convert_to_tensor, (x, y))
        self._csv = None if csv is None else Path(csv)
        self._picture = None if picture is None else Path(picture)
        self.rows: list[dict[str, float]] = []
        self._begun = False

    def on_train_begin(self, logs: Any = None) -> None:
        self._begun = False
        inner: Any = getattr(self.model, "model", self.model)
        self._matrices = {
            variable.path.removeprefix(f"{inner.name}/"): i
            for i, variable in enumerate(inner.trainable_variables)
            if min(square_split(tuple(variable.shape))) > self.top
            and (self._layers is None or any(part in variable.path for part in self._layers))
        }
        if not self._matrices:
            raise ValueError(
                f"GradientSpectrum: no matrix has more than top = {self.top} rows and columns"
                f"{'' if self._layers is None else f' among {list(self._layers)}'}; the variables "
                f"are {[variable.path for variable in inner.trainable_variables]}."
            )
        self._gradients = tf.function(self._of_loss, autograph=False)
        self._inner: Any = inner

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self._begun:
            return
        self._begun = True
        self.rows[:] = [row for row in self.rows if row["epoch"] < epoch]
        if self._csv is not None:
            self._csv.parent.mkdir(parents=True, exist_ok=True)
            kept = files.keep_rows(self._csv, lambda row: int(row["epoch"]) < epoch)
            self.rows[:] = [{k: float(v) for k, v in row.items()} for row in kept] or self.rows

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch % self._every:
            return
        row: dict[str, float] = {"epoch": epoch}
        gradients = self._undisturbed_gradients()
        for path, i in self._matrices.items():
            gradient = np.asarray(gradients[i])
            row[path] = top_energy(gradient.reshape(square_split(gradient.shape)), self.top)
        self.rows.append(row)
        if self._csv is not None:
            files.append_rows(self._csv, [row])
        if self._picture is not None:
            self.plot(self._picture)

    def _undisturbed_gradients(self) -> list[Any]:
        """Gradients in training mode, without what that leaves: statistics, random states."""
        variables = self._inner.non_trainable_variables
        kept = [variable.numpy() for variable in variables]
        gradients = self._gradients(self._x, self._y)
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
        return gradients

    def _of_loss(self, x: Any, y: Any) -> list[Any]:
        model: Any = self.model
        weights = self._inner.trainable_variables
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = model.compute_loss(x, y, y_pred, training=True)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        return [
            tf.zeros(w.shape) if g is None else tf.cast(tf.convert_to_tensor(g), tf.float32)
            for g, w in zip(gradients, weights, strict=True)
        ]

    def plot(self, path: str | Path) -> Path:
        """Draw `rows`, a line a variable.

        Returns:
            The file, PNG or SVG as its name says.
        """
        columns = tuple(name for name in self.rows[0] if name != "epoch") if self.rows else ()
        panel = Panel(f"energy in the top {self.top} components", columns)
        return draw(Path(path), self.rows, "epoch", [panel])
