"""What a user's compressor is held to in every round."""

from __future__ import annotations

from typing import Any

from laser_phy.compressors import Codec, Compressor, Message
from laser_phy.core import contract
from laser_phy.core.lazy import tf
from laser_phy.phy.ofdm import BlockLayout


class CodecContract:
    """Shapes, finite numbers and honest norms; what ships passes through unchanged.

    Args:
        compressor: settings.
        codec: of the compressor.
    """

    def __init__(self, compressor: Compressor, codec: Codec) -> None:
        self.compressor, self.codec = compressor, codec

    def message(self, phase: int, message: Message, memory: Any) -> tuple[Message, Any]:
        """A worker's message and memory, as `Codec.encode` gave them."""
        if not contract.brought(self.compressor):
            return message, memory
        layout = BlockLayout(self.codec.phases[phase])
        sizes = [self.codec.message_size, len(layout.blocks), len(layout.blocks)]
        fields = [
            self._shape(f"{name} of a message", part, size)
            for name, part, size in zip(Message._fields, message, sizes, strict=True)
        ]
        memory = self._shape("the memory of a worker", memory, self.codec.memory_size)
        reals = contract.check_finite(self.compressor, "a message", fields[0])
        true = tf.sqrt(layout.per_block(tf.square(reals[: layout.size])))
        same = tf.reduce_all(tf.abs(true - fields[1]) <= 1e-3 * true + 1e-30)
        rule = "sent_norms must be the norms of what is sent, or a worker overspends"
        return Message(contract.hold(self.compressor, rule, same, reals), *fields[1:]), memory

    def estimates(self, gradients: list[Any]) -> list[Any]:
        """Decoded gradients; None where a pass gives nothing of a tensor."""
        what, checked = "a decoded gradient", []
        for tensor, shape in zip(gradients, self.codec.shapes, strict=True):
            if tensor is not None:
                tensor = contract.check_shape(self.compressor, what, tensor, shape, "float32")
                tensor = contract.check_finite(self.compressor, what, tensor)
            checked.append(tensor)
        return checked

    def _shape(self, what: str, tensor: Any, size: int) -> Any:
        return contract.check_shape(self.compressor, what, tensor, [size], "float32")
