"""The adapter around Sionna's random generator: random access by (stream, round, worker).

Sionna draws from one global `tf.random.Generator`. Its state is set before every draw, so what is
drawn is a pure function of the arguments, in eager mode and in graphs. Nothing relies on the state
that is left behind.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from laser_phy.core.lazy import tf

WORKER_BITS = 20  # a million workers; 2^43 rounds remain


def prepare() -> None:
    """Create Sionna's generator outside any graph. Call when building, never while tracing.

    And outside any scope of `tf.distribute`, which is a thread's: a generator made there gives each
    replica other numbers, and all replicas must see the same channels.
    """
    from sionna.phy import config

    with tf.init_scope():
        if tf.distribute.has_strategy():
            with ThreadPoolExecutor(1) as elsewhere:
                elsewhere.submit(lambda: config.tf_rng).result()
        if config.tf_rng.algorithm != tf.random.Algorithm.PHILOX.value:  # pragma: no cover
            raise RuntimeError("Sionna's generator is not Philox; laser_phy needs its counter.")


def seek(key: int, realisation: Any, worker: Any = 0) -> None:
    """Set Sionna's generator to the start of the stream `key` at a round and worker.

    Philox has a 128-bit counter that draws advance from the low word up. Round and worker make the
    high word: in the low word, neighbouring rounds would draw the same numbers shifted.
    """
    from sionna.phy import config

    index = tf.cast(realisation, tf.int64) * 2**WORKER_BITS + tf.cast(worker, tf.int64)
    counter = tf.stack([tf.zeros([], tf.int64), index])
    # reset_from_key_counter wants the state as [counter, key] variables of one int64 vector
    config.tf_rng.reset_from_key_counter(tf.constant(key, tf.int64), counter)
