"""What single compressors claim beyond the contract: sizes, signs, draws, bases."""

import numpy as np
import tensorflow as tf
from compressor_cases import SHAPES, WORKERS, Link, build, gradients, uplink_of

import laser_phy as lp
from laser_phy.compressors import ADsgd, Identity, Laser, RandomK, Signum, Sketch
from laser_phy.compressors.matrix_view import orthonormal


def test_message_sizes_on_the_linear_model_of_mnist():
    shapes = [(784, 10), (10,)]
    size = lambda compressor: build(compressor, shapes=shapes).phases  # noqa: E731
    assert size(Laser(rank=2)) == ((2 * 784, 10), (2 * 10, 10))
    uplink = lp.Uplink.from_config({"compressor": {"name": "laser", "rank": 2}, "channel": "awgn"})
    uplink.build(shapes, 16)
    assert [layout.symbols for layout in uplink.layouts] == [789, 15]
    assert uplink.symbols_per_round == (789 + 15) / 2
    assert size(Laser(rank=2, factors="both")) == ((2 * 784, 10), (2 * 10,))
    assert size(Laser(rank=2, blocks="column")) == ((784, 784, 10), (10, 10, 10))
    assert size(Identity()) == size(Signum()) == ((7840, 10),)
    assert size(RandomK(factor=0.1)) == size(Sketch(factor=0.1)) == ((784, 1),)
    assert size(ADsgd(factor=0.1)) == ((784, 10),)


def test_tensors_that_would_save_less_than_half_are_sent_whole():
    codec = build(Laser(rank=4), shapes=[(8, 8), (64, 3, 3, 64)])
    assert codec.phases == ((64, 4 * 192), (64, 4 * 192))
    assert build(Laser(rank=4, factors="both"), shapes=[(8, 8)]).passes == 1


def test_signs_pay_for_themselves():
    message = Link(build(Signum()))
    message([[1e-6 * g for g in own] for own in gradients()])
    norms = message.messages[0][0].sent_norms
    np.testing.assert_allclose(norms, [np.prod(shape) ** 0.5 for shape in SHAPES], rtol=1e-6)


def test_signs_are_voted_on():
    same, other = np.ones((12,), np.float32), -np.ones((12,), np.float32)
    rest = gradients()[0][:4]
    assert (Link(build(Signum()))([[*rest, same], [*rest, other], [*rest, other]])[4] == -1).all()


def test_random_entries_are_sent_equally_often_and_anew_in_every_round():
    codec = build(RandomK(factor=0.25), shapes=[(200,), (200,)])
    rounds = 400
    counts = np.zeros((2, 200))
    sets = []
    for t in range(rounds):
        indices = [i.numpy() for i in codec.draws(tf.constant(t, tf.int64))]
        assert [len(set(i)) for i in indices] == [50, 50]
        for tensor, index in enumerate(indices):
            counts[tensor, index] += 1
        sets.append((frozenset(indices[0]), frozenset(indices[1])))
    sigma = (rounds * 0.25 * 0.75) ** 0.5
    assert np.abs(counts - rounds / 4).max() < 5 * sigma
    assert len(set(sets)) > 150
    assert sets[0] != sets[1]
    assert sets[0][0] != sets[0][1]


def test_a_sketch_is_unbiased_and_its_error_is_that_of_its_collisions():
    """E||g - g^||^2 = ||g||^2 (n - 1) / s for buckets drawn independently."""
    shapes, factor = [(300,)], 0.2
    codec = build(Sketch(factor=factor), shapes=shapes)
    x = np.random.default_rng(1).standard_normal(300).astype(np.float32)
    estimates = []
    for t in range(300):
        state = [tf.constant(t, tf.int64)]
        message, _ = codec.encode(0, [tf.constant(x)], tf.zeros([0]), state)
        estimates.append(codec.decode(0, message.reals, state)[0][0].numpy())
    estimates = np.asarray(estimates)
    variance = (x @ x) / 60
    assert np.abs(estimates.mean(axis=0) - x).max() < 5 * (variance / 300) ** 0.5
    errors = ((estimates - x) ** 2).sum(axis=1)
    expected = (x @ x) * 299 / 60
    assert abs(errors.mean() - expected) < 5 * errors.std() / 300**0.5


# ---- LASER ----


def test_bases_of_equal_shapes_are_each_orthonormal_at_rank_one():
    """The joint norm of a batch of equal matrices would make every basis too short."""
    for factors in ("alternate", "both"):
        codec = build(Laser(rank=1, factors=factors))
        link = Link(codec)
        for _ in range(2):
            link(gradients())
        for side in (0, 1):
            for basis in codec._unflatten(link.state[side], side):
                np.testing.assert_allclose(tf.transpose(basis) @ basis, np.eye(1), atol=1e-5)


def test_the_signs_of_a_basis_are_fixed():
    """Copies of one factor with a little noise give bases as near, and no column turns round."""
    random = np.random.default_rng(0)
    for _ in range(20):
        factor = random.normal(size=(30, 4)).astype(np.float32)
        noisy = factor + 1e-3 * random.normal(size=factor.shape).astype(np.float32)
        bases = [orthonormal(tf.constant(copy)).numpy() for copy in (factor, noisy)]
        assert np.abs(bases[0] - bases[1]).max() < 0.01
        assert np.all(np.diag(bases[0].T @ factor) > 0)


def test_a_worker_that_sits_out_is_silent_in_both_transmissions():
    """Whoever sends has sent everything, as all gradients have rank 2; the others keep theirs."""
    uplink = uplink_of(Laser(rank=2, factors="both"), participation={"name": "fraction"})
    came = gradients(alike=True, rank=2)
    stacked = [np.stack(tensors) for tensors in zip(*came, strict=True)]
    for _ in range(3):
        before = np.asarray(uplink.memory)
        decoded, diagnostics = uplink(stacked)[:2]
        after = np.asarray(uplink.memory)
        silent = np.abs(after).max(axis=1) > 0.1
        assert silent.sum() == WORKERS - float(diagnostics["senders"]) > 0
        flat = np.concatenate([g.ravel() for g in came[0][:3]])
        np.testing.assert_allclose(after[silent], (before + flat)[silent], atol=1e-4)
        sent = np.concatenate([g.numpy().ravel() for g in decoded[:3]])
        np.testing.assert_allclose(sent, (before + flat)[~silent].mean(axis=0), atol=1e-3)
