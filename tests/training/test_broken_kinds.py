"""A kind that breaks its contract in training ends it with a sentence: the kind, and the rule."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.core.contract import ContractError


class NanLater(lp.compressors.VectorCompressor):
    """Not a number, in the numbers alone."""

    def compress(self, vector):
        return vector / (tf.reduce_sum(vector) - tf.reduce_sum(vector))


class Plain(lp.compressors.VectorCompressor):
    """The gradient."""

    def compress(self, vector):
        return vector


class TooLong(Plain):
    """One real more than it says."""

    def decompress(self, message, entries):
        return tf.concat([message, [0.0]], axis=0)


class Underreports(Plain):
    """Half of the norms."""

    def build(self, shapes, key):
        codec = super().build(shapes, key)
        pack = codec.pack
        codec.pack = lambda blocks, norms: pack(blocks, norms)._replace(
            sent_norms=0.5 * pack(blocks, norms).sent_norms
        )
        return codec


class OneFactor(lp.power_control.PowerControl):
    """A scalar for all elements."""

    def statistics(self, law):
        return lp.power_control.RuleMoments(1.0, 1.0, 1.0, 1.0, 1.0)

    def precode(self, gain, statistics):
        return tf.ones([1], tf.complex64)


class NanFactor(OneFactor):
    """0 / 0."""

    def precode(self, gain, statistics):
        return gain / (gain - gain)


class LouderPlan(lp.power_control.PowerControl):
    """Twice the energy that there is."""

    @property
    def plans(self):
        return True

    def plan(self, gains, noise_ratio):
        return tf.sqrt(2 * gains)


class RealReceiver(lp.receivers.Scale):
    """Real parts alone."""

    def combine(self, received, observed, prior, link):
        return tf.math.real(super().combine(received, observed, prior, link))


class NanReceiver(lp.receivers.Scale):
    """0 / 0."""

    def combine(self, received, observed, prior, link):
        return received[0] / tf.cast(prior - prior, tf.complex64)


BROKEN = [
    (
        {"compressor": NanLater()},
        "compressor 'nan_later' broke .* a message must be",
    ),
    (
        {"compressor": TooLong(error_feedback=False)},
        "'too_long' broke .* `decompress` gives must be",
    ),
    ({"compressor": Underreports()}, "'underreports' broke .* sent_norms must be the norms"),
    ({"power_control": OneFactor()}, r"power_control 'one_factor' broke .* of shape \(1,\)"),
    ({"power_control": NanFactor()}, "'nan_factor' broke its contract: the factor must be finite"),
    ({"power_control": LouderPlan()}, r"'louder_plan' broke .* mean \|b\|\^2 must be <= 1"),
    ({"receiver": RealReceiver()}, "receiver 'real_receiver' broke .* got float32"),
    (
        {"receiver": NanReceiver()},
        "'nan_receiver' broke .* the estimate .* must be finite",
    ),
]


@pytest.mark.parametrize(("fields", "sentence"), BROKEN, ids=lambda part: str(part)[:24])
def test_in_fit(fields, sentence):
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    uplink = lp.Uplink(**{"compressor": "identity", "channel": "rayleigh", **fields})
    model = lp.OverTheAir(inner, workers=2, uplink=uplink, seed=1)
    model.compile(optimizer="sgd", loss="mse")
    x = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
    with pytest.raises((ContractError, ValueError), match=sentence):
        model.fit(x, x[:, :2], batch_size=8, verbose=0)
