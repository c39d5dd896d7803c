"""A-DSGD: random projections and approximate message passing."""

import numpy as np
import pytest
import tensorflow as tf
from compressor_cases import build

import laser_phy as lp
from laser_phy.compressors import ADsgd
from laser_phy.compressors.compressed_sensing import Projection, message_passing


@pytest.mark.parametrize("size", [2000, 2003])
def test_message_passing_recovers_a_sparse_vector(size):
    random = np.random.default_rng(0)
    projection = Projection(size, 1000, [1])
    x = np.zeros(size, np.float32)
    x[random.permutation(size)[:130]] = random.standard_normal(130)
    found = message_passing(projection, projection.forward(tf.constant(x)), 60, 2.0)
    error = np.sum((found - x) ** 2) / np.sum(x**2)
    assert error < 1e-9
    # what the pseudo-inverse leaves, A^+ = (s / n) A^T: half of it
    inverse = 1000 / size * projection.transposed(projection.forward(tf.constant(x)))
    assert np.sum((inverse - x) ** 2) / np.sum(x**2) > 0.3


def test_a_projection_has_the_transpose_and_the_columns_it_claims():
    projection = Projection(120, 40, [1])
    matrix = np.stack([projection.forward(tf.constant(e)) for e in np.eye(120, dtype=np.float32)])
    other = np.stack([projection.transposed(tf.constant(e)) for e in np.eye(40, dtype=np.float32)])
    np.testing.assert_allclose(matrix, other.T, atol=1e-5)
    # rows of equal length, and columns of unit norm on average
    np.testing.assert_allclose(other @ other.T, 3 * np.eye(40), atol=1e-4)
    assert np.mean(np.sum(matrix**2, axis=1)) == pytest.approx(1.0, rel=1e-5)


def test_entries_that_message_passing_cannot_find_are_refused():
    with pytest.raises(lp.SettingsError, match=r"sparsity must be <= 0.13 .*; got 0.5. Write dec"):
        ADsgd(sparsity=0.5)
    assert ADsgd(sparsity=0.5, decoder="linear").sparsity == 0.5


def test_the_linear_decoder_is_the_pseudo_inverse():
    codec = build(ADsgd(factor=0.5, decoder="linear"), shapes=[(40, 30)])
    (projection,) = codec.projections
    y = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    (x,), _ = codec.decode(0, tf.constant(y), [])
    np.testing.assert_allclose(projection.forward(tf.reshape(x, [-1])), y, atol=1e-5)
    assert np.sum(x**2) == pytest.approx(np.sum(y**2) * 0.5, rel=1e-4)  # the shortest of all


def test_message_passing_beyond_its_reach_returns_the_best_it_saw():
    projection = Projection(2000, 200, [1])
    dense = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    y = projection.forward(tf.constant(dense))
    found = message_passing(projection, y, 60, 2.0).numpy()
    assert np.linalg.norm(y - projection.forward(found)) <= np.linalg.norm(y)
