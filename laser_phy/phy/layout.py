"""Where the blocks of a message lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from laser_phy.core.lazy import tf
from laser_phy.phy.ofdm import symbols_of


class BlockLayout:
    """Blocks one after the other, and the symbols that carry them.

    Args:
        blocks: reals of every block.
        symbols: complex symbols that carry them; two reals a symbol unless told otherwise.
    """

    def __init__(self, blocks: Sequence[int], symbols: int | None = None) -> None:
        self.blocks = tuple(blocks)
        self.size = sum(self.blocks)
        self.symbols = symbols_of(self.size) if symbols is None else symbols

    def per_real(self, per_block: Any) -> Any:
        """[block] -> [real], the value of each real's block."""
        # tf.repeat would build a mask [block, longest block] on the way
        values = tf.unstack(per_block, num=len(self.blocks))
        return tf.concat([tf.fill([n], x) for n, x in zip(self.blocks, values, strict=True)], 0)

    def per_block(self, per_real: Any) -> Any:
        """[real] -> [block] sums."""
        return tf.stack([tf.reduce_sum(part) for part in tf.split(per_real, self.blocks)])
