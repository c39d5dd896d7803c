"""A compressor that a user brings, and ones that break the contract."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.compressors import Codec, Compressor
from laser_phy.compressors.error_feedback import FeedbackCodec
from laser_phy.core.kinds import for_a_while
from laser_phy.testing import check_compressor

# ---- what a user writes ----


class TopK(lp.compressors.VectorCompressor):
    """Each worker's largest entries of a tensor, in their places; the rest is kept."""

    keep: float = 0.1

    def compress(self, vector):
        count = max(1, round(self.keep * vector.shape[0]))
        smallest = tf.math.top_k(tf.abs(vector), count).values[-1]
        return tf.where(tf.abs(vector) >= smallest, vector, tf.zeros_like(vector))


class Means(lp.compressors.VectorCompressor):
    """Means of neighbours: a shorter message, decoded by repeating."""

    length: int = 4

    def size(self, entries):
        return -(-entries // self.length)

    def compress(self, vector):
        padded = tf.pad(vector, [[0, -vector.shape[0] % self.length]])
        return tf.reduce_mean(tf.reshape(padded, [-1, self.length]), axis=1)

    def decompress(self, message, entries):
        return tf.repeat(message, self.length)[:entries]


OWN = [TopK(), TopK(keep=0.5), TopK(error_feedback=False), Means(), Means(length=7)]


@pytest.mark.parametrize("compressor", OWN, ids=repr)
def test_contract(compressor):
    check_compressor(compressor)


def test_top_k_sends_the_largest_and_keeps_the_rest():
    codec = TopK(keep=0.25).build([(8,)], 0)
    gradient = tf.constant([1.0, -5, 2, 0.5, 4, -1, 3, -2])
    message, memory = codec.encode(0, [gradient], tf.zeros([8]), [])
    np.testing.assert_array_equal(message.reals, [0, -5, 0, 0, 4, 0, 0, 0])
    np.testing.assert_array_equal(memory, [1, 0, 2, 0.5, 0, -1, 3, -2])


def test_it_trains_over_the_air():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((20,)), keras.layers.Dense(1)])
    uplink = lp.Uplink(compressor=TopK(keep=0.2), power=lp.Power(energy_per_round=1e4))
    model = lp.OverTheAir(inner, workers=4, uplink=uplink, seed=1)
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    x = np.random.default_rng(0).normal(size=(160, 20)).astype(np.float32)
    loss = model.fit(x, x.sum(axis=1), batch_size=16, epochs=6, verbose=0).history["loss"]
    assert loss[-1] < 0.2 * loss[0]


def test_by_its_name_once_it_is_registered():
    with for_a_while():
        lp.register(TopK)
        uplink = lp.Uplink.from_config({"compressor": {"name": "top_k", "keep": 0.3}})
        assert uplink.settings.compressor == TopK(keep=0.3)
        with pytest.raises(lp.SettingsError, match="kep is not a known key; did you mean 'keep'"):
            lp.Uplink.from_config({"compressor": {"name": "top_k", "kep": 0.3}})


# ---- what is found ----


class Overspends(TopK):
    """States half of its norms."""

    def build(self, shapes, key):
        class Codec(type(super().build(shapes, key))):
            def pack(self, blocks, source_norms):
                message = super().pack(blocks, source_norms)
                return message._replace(sent_norms=message.sent_norms / 2)

        return Codec(shapes, key, self)


class Loses(Compressor):
    """Sends half of the gradient, and says that nothing is lost."""

    def build(self, shapes, key):
        class Halves(FeedbackCodec):
            def encode(self, phase, gradients, memory, state):
                blocks = [0.5 * tf.reshape(g, [-1]) for g in gradients]
                return self.pack(blocks, tf.ones(len(blocks))), memory

            def decode(self, phase, reals, state):
                return self.shaped(tf.split(reals, self.sizes)), state

        codec = Halves(shapes, key, True)
        codec.phases = (tuple(codec.sizes),)
        return codec


class NanOfZeros(TopK):
    """Divides by the norm."""

    error_feedback: bool = False

    def compress(self, vector):
        return vector / tf.norm(vector)


class WrongShape(Compressor):
    """Decodes flat tensors."""

    def build(self, shapes, key):
        class Flat(Codec):
            phases = (tuple(int(np.prod(shape)) for shape in shapes),)

            def encode(self, phase, gradients, memory, state):
                return self.pack(gradients, tf.ones(len(gradients))), memory

            def decode(self, phase, reals, state):
                return tf.split(reals, self.sizes), state

        return Flat(shapes, key)


class Overflows(TopK):
    """By way of a square."""

    error_feedback: bool = False

    def compress(self, vector):
        return tf.sign(vector) * tf.square(vector) ** 2


@pytest.mark.parametrize(
    ("compressor", "broken"),
    [
        (Overspends(), "compressor 'overspends' must state the norms of what it sends"),
        (Loses(), "'loses' is `lossless`, and must decode or keep all that came in"),
        (NanOfZeros(), "'nan_of_zeros' must give finite numbers for gradients of zeros"),
        (WrongShape(), "'wrong_shape' must decode tensors of the gradients' shapes"),
        (Overflows(), r"'overflows' must give finite numbers for gradients of size 1e\+15"),
    ],
)
def test_what_breaks_it_is_named(compressor, broken):
    with pytest.raises(AssertionError, match=broken):
        check_compressor(compressor)
