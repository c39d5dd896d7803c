"""What a scheme costs a round: floats, symbols, energy, air time, control channel.

rows = cost(scenario)             every scheme on the scenario's model and link
print(cost_table(rows))           as `laser-phy cost SCENARIO` shows it
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from laser_phy.compressors import (
    ADsgd,
    Compressor,
    Digital,
    Identity,
    Laser,
    RandomK,
    Signum,
    Sketch,
)
from laser_phy.core.constants import NOISE_VARIANCE
from laser_phy.core.numbers import duration

if TYPE_CHECKING:
    from rich.table import Table

    from laser_phy.experiments.scenario import Scenario
    from laser_phy.uplink.settings import UplinkSettings

Shapes = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Cost:
    """What one worker sends in a round of a scheme, the mean over kinds of round.

    Attributes:
        scheme: name and fields that matter.
        chosen: it is the scenario's own.
        floats: reals sent as amplitudes; none of a scheme that sends bits.
        bits: of those reals as a digital message: 32 each, 1 where they are signs. Of a scheme that
            sends bits those that it sends, at the capacity of white noise whatever the channel.
        saving: bits of the uncompressed gradient over `bits`, infinite where nothing is sent.
        symbols: complex data symbols.
        energy: P, of noise 1 a real.
        symbol_snr_db: energy a symbol over the noise of a resource element.
        air_time_s: OFDM symbols with cyclic prefixes and pilots.
        control_bytes: on the error-free control channel, for all workers.
        control_energy: that these would cost at capacity.
        feedback_floats: that the server sends back in the middle of a round.
        notes: what else is worth knowing, in sentences.
    """

    scheme: str
    chosen: bool
    floats: float
    bits: float
    saving: float
    symbols: float
    energy: float
    symbol_snr_db: float
    air_time_s: float
    control_bytes: int
    control_energy: float
    feedback_floats: int
    notes: tuple[str, ...] = ()

    @property
    def megabytes(self) -> float:
        """Bits in 10^6 bytes."""
        return self.bits / 8e6


def cost(scenario: Scenario) -> list[Cost]:
    """Every scheme on a scenario's model and link, the scenario's own with its fields.

    Rank and factor are those of the scenario's compressor, where it has them, for all schemes.
    """
    task = scenario.task
    shapes = model_shapes(scenario)
    chosen = scenario.uplink.compressor
    return [
        scheme_cost(
            scenario.uplink.model_copy(update={"compressor": compressor}),
            shapes,
            task.workers,
            chosen=compressor == chosen,
        )
        for compressor in schemes(chosen)
    ]


def schemes(chosen: Compressor | None = None) -> list[Compressor]:
    """One of every scheme, with the rank and factor of `chosen`; `chosen` is among them."""
    rank, factor = getattr(chosen, "rank", 4), getattr(chosen, "factor", 0.2)
    listed: list[Compressor] = [
        Identity(),
        Laser(rank=rank),
        Laser(rank=rank, factors="both"),
        RandomK(factor=factor),
        Sketch(factor=factor),
        ADsgd(factor=factor),
        Signum(),
        Digital(factor=factor),
    ]
    if chosen is not None and chosen not in listed:
        listed.append(chosen)
    return listed


def scheme_cost(uplink: UplinkSettings, shapes: Shapes, workers: int, chosen: bool = False) -> Cost:
    """What the compressor of `uplink` costs for gradients of these shapes."""
    from laser_phy.channels.grid import round_grid
    from laser_phy.core.constants import CONTROL_ENERGY_PER_BIT
    from laser_phy.uplink.diagnostics import control_bytes

    codec = uplink.compressor.build(shapes, 0)
    modulation = uplink.receiver.modulation()
    symbols = [modulation.symbols(codec.channel_uses(i)) for i in range(len(codec.phases))]
    grids = [round_grid(uplink.ofdm, count, pilots=uplink.pilots) for count in symbols]
    mean_symbols = codec.passes * float(np.mean(symbols))
    energy = uplink.power.energy(mean_symbols)
    noise = uplink.channel.noise_of_a_real
    state = codec.with_energy(codec.initial_state(), energy, workers, noise)
    bits = float(codec.message_bits(state))
    control = control_bytes(uplink, workers, codec.signalled_blocks)
    return Cost(
        scheme=describe(uplink.compressor),
        chosen=chosen,
        floats=codec.round_size if uplink.compressor.analog else 0.0,
        bits=bits,
        saving=32 * sum(codec.sizes) / bits if bits else math.inf,
        symbols=mean_symbols,
        energy=energy,
        symbol_snr_db=10 * math.log10(energy / mean_symbols / NOISE_VARIANCE),
        air_time_s=codec.passes * float(np.mean([grid.air_time_s for grid in grids])),
        control_bytes=control,
        control_energy=8 * control * CONTROL_ENERGY_PER_BIT,
        feedback_floats=sum(map(sum, codec.phases[:-1])) if codec.passes > 1 else 0,
        notes=tuple(codec.notes(energy, workers, noise)),
    )


def describe(compressor: Compressor) -> str:
    """`laser, rank 4, both`: the name and what decides the cost."""
    parts = [compressor.name]
    for field, text in (("rank", "rank {}"), ("factors", "{}"), ("factor", "factor {:g}")):
        if hasattr(compressor, field):
            parts.append(text.format(getattr(compressor, field)))
    return ", ".join(parts)


# ---- the model's shapes ----

KNOWN = {
    "digits": ((8, 8, 1), 10),
    "mnist": ((28, 28, 1), 10),
    "fashion_mnist": ((28, 28, 1), 10),
    "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100),
}
"""Shape of an image and number of classes, so that nothing has to be downloaded for a table."""


def model_shapes(scenario: Scenario) -> list[tuple[int, ...]]:
    """Shapes of the trainable weights of a scenario's model.

    The data are read only where neither the data set nor its settings tell what examples are like.
    """
    from laser_phy.data import Data

    task = scenario.task
    dataset: Any = task.dataset
    known = KNOWN.get(dataset.name) or _text(dataset)
    if known is None:
        data = dataset.load(scenario.seed)
    else:
        shape, classes = known
        empty = np.zeros((0, *shape), np.float32)
        labels = np.zeros(0, np.int32)
        data = Data(dataset.name, dataset.kind, empty, labels, empty, labels, classes)
    model = task.model.build(data, scenario.seed)
    return [tuple(int(n) for n in weight.shape) for weight in model.trainable_variables]


def _text(dataset: Any) -> tuple[tuple[int, ...], int] | None:
    """Context and vocabulary of a text, where the settings tell them."""
    if dataset.kind != "text":
        return None
    vocabulary = dataset.tokenizer.known_vocabulary
    return None if vocabulary is None else ((dataset.context,), vocabulary)


# ---- the table ----


def cost_table(rows: Iterable[Cost]) -> Table:
    """The rows for a terminal; the scenario's own scheme is marked."""
    from rich.table import Table

    rows = list(rows)
    caption = ["one round, mean over kinds of round; * is the scenario's scheme"]
    caption += [note for row in rows for note in row.notes]
    table = Table(caption="\n".join(caption), caption_justify="left")
    table.add_column("scheme", no_wrap=True)
    for name in ("floats", "MB", "saving", "symbols", "energy", "dB/symbol", "air", "control"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            ("* " if row.chosen else "  ") + row.scheme,
            f"{row.floats:,.0f}" if row.floats else "-",
            f"{row.megabytes:.4g}" if row.megabytes < 10 else f"{row.megabytes:.2f}",
            f"{row.saving:,.{0 if row.saving > 100 else 1}f}x" if row.bits else "-",
            f"{row.symbols:,.0f}",
            f"{row.energy:.6g}",
            f"{row.symbol_snr_db:.1f}",
            duration(row.air_time_s),
            f"{row.control_bytes:,} B",
            style="bold" if row.chosen else None,
        )
    return table
