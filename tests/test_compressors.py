"""One contract for all compressors: a new kind is one line in `CASES`."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf

import laser_phy as lp
from laser_phy.compressors import (
    KINDS,
    ADsgd,
    Compressor,
    Identity,
    Laser,
    RandomK,
    Signum,
    Sketch,
)
from laser_phy.compressors.matrices import orthonormal
from laser_phy.problems import tag

# two pairs of equal shapes, one of them small, a convolution kernel and vectors
SHAPES = [(40, 30), (40, 30), (3, 3, 8, 16), (12,), (12,)]
WORKERS, KEY = 3, 7


@dataclass(frozen=True)
class Case:
    """A compressor, and what it claims of itself.

    Attributes:
        compressor: its settings.
        exact: what arrives without noise is the mean of what came in, less what is kept.
        rank: gradients of this rank, the same at all workers, leave no residual...
        in_rounds: ... in rounds t with t % period in these.
        stable: what is kept stays bounded.
        tolerance: relative to the largest number; float32 rounding, or an iterative decoder's end.
    """

    compressor: Compressor
    exact: bool = True
    rank: int = 0
    in_rounds: tuple[int, ...] = ()
    period: int = 1
    tolerance: float = 2e-5
    stable: bool = True

    @property
    def name(self) -> str:
        fields = self.compressor.model_dump(exclude_defaults=True)
        return " ".join([self.compressor.name, *map(str, fields.values())])


CASES = [
    Case(Identity(), rank=30, in_rounds=(0,)),
    Case(Laser(rank=2), rank=2, in_rounds=(1,), period=2),
    Case(Laser(rank=1), rank=1, in_rounds=(1,), period=2),
    Case(Laser(rank=2, blocks="column"), rank=2, in_rounds=(1,), period=2),
    Case(Laser(rank=2, error_feedback=False), rank=2, in_rounds=(1,), period=2, exact=False),
    Case(Laser(rank=2, factors="both"), rank=2, in_rounds=(0,)),
    Case(Laser(rank=1, factors="both"), rank=1, in_rounds=(0,)),
    Case(Laser(rank=2, factors="both", blocks="column"), rank=2, in_rounds=(0,)),
    Case(Laser(rank=2, factors="both", error_feedback=False), exact=False),
    Case(RandomK(factor=0.2)),
    Case(RandomK(factor=1.0), rank=30, in_rounds=(0,)),
    Case(RandomK(error_feedback=False), exact=False),
    Case(Sketch(factor=0.2), exact=False),
    Case(Sketch(factor=0.2, error_feedback=True), stable=False),
    Case(Signum(), exact=False),
    Case(ADsgd(factor=0.5, sparsity=0.05, iterations=40), tolerance=1e-3),
    Case(ADsgd(factor=0.5, sparsity=0.5, decoder="linear", error_feedback=False), exact=False),
]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def gradients(workers=WORKERS, seed=0, alike=False, rank=None):
    """[worker][tensor] float32; of this rank, seen as the matrices LASER compresses."""
    random = np.random.default_rng(seed)

    def one(shape):
        if rank is None or len(shape) == 1:
            return random.standard_normal(shape)
        rows = int(np.prod(shape[:-1]))
        r = min(rank, rows, shape[-1])
        left, right = random.standard_normal((rows, r)), random.standard_normal((r, shape[-1]))
        return (left @ right).reshape(shape)

    first = [[one(shape).astype(np.float32) for shape in SHAPES] for _ in range(workers)]
    return [first[0]] * workers if alike else first


class Link:
    """The protocol of a codec without air: what is decoded is the plain mean of the messages."""

    def __init__(self, codec, workers=WORKERS):
        self.codec, self.round = codec, 0
        self.memories = [tf.zeros([codec.memory_size]) for _ in range(workers)]
        self.state = [tf.constant(value) for value in codec.initial_state()]
        self.messages = []
        self.decode = tf.function(codec.decode, autograph=False)

    def __call__(self, workers_gradients):
        codec = self.codec
        first = 0 if codec.passes > 1 else self.round % len(codec.phases)
        total = None
        self.messages = []
        for phase in range(first, first + codec.passes):
            messages = []
            for k, own in enumerate(workers_gradients):
                if phase == first:
                    tensors = [tf.constant(g) for g in own]
                    message, memory = codec.encode(phase, tensors, self.memories[k], self.state)
                else:
                    message, memory = codec.resume(phase, self.memories[k], self.state)
                self.memories[k] = memory
                messages.append(message)
            self.messages.append(messages)
            size = sum(codec.phases[phase])
            mean = sum(m.reals for m in messages)[:size] / len(messages)
            parts, self.state = self.decode(phase, mean, self.state)
            total = _merge(total, parts)
        self.round += 1
        return [g.numpy() for g in total]

    def kept(self):
        """Mean over workers of what is kept, as the tensors it belongs to; zeros where none is."""
        mean = np.mean([memory.numpy() for memory in self.memories], axis=0)
        compressed = getattr(self.codec, "compressed", [True] * len(SHAPES))
        parts, start = [], 0
        for shape, counts in zip(SHAPES, compressed, strict=True):
            size = int(np.prod(shape)) if counts and len(mean) else 0
            parts.append(mean[start : start + size].reshape(shape) if size else np.zeros(shape))
            start += size
        assert start == len(mean)
        return parts


def _merge(total, parts):
    """What several passes give; None stands for nothing."""
    if total is None:
        return parts
    return [p if q is None else q for p, q in zip(total, parts, strict=True)]


def build(case_or_compressor, key=KEY, shapes=SHAPES):
    compressor = getattr(case_or_compressor, "compressor", case_or_compressor)
    return compressor.build(shapes, key)


def mean(workers_gradients):
    return [np.mean(tensors, axis=0) for tensors in zip(*workers_gradients, strict=True)]


def assert_close(actual, expected, tolerance):
    scale = max(1.0, *(np.abs(e).max() for e in expected))
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, atol=tolerance * scale)


def test_every_kind_is_in_the_contract():
    assert {tag(kind) for kind in KINDS} == {case.compressor.name for case in CASES}


# ---- what arrives ----


@every
def test_what_was_decoded_plus_what_is_kept_is_what_came_in_plus_what_was_kept(case):
    if not case.exact:
        pytest.skip("keeps nothing, or loses something")
    link = Link(build(case))
    for t in range(4):
        before, came = link.kept(), gradients(seed=t)
        decoded = link(came)
        into = [a + b for a, b in zip(before, mean(came), strict=True)]
        out = [a + b for a, b in zip(decoded, link.kept(), strict=True)]
        assert_close(out, into, case.tolerance)
    assert all(np.isfinite(g).all() for g in decoded)


@every
def test_without_error_feedback_nothing_is_kept(case):
    if getattr(case.compressor, "error_feedback", False):
        pytest.skip("has error feedback")
    link = Link(build(case))
    link(gradients())
    assert all(not memory.numpy().any() for memory in link.memories)


@every
def test_a_constant_gradient_of_rank_r_leaves_no_residual(case):
    if not case.in_rounds:
        pytest.skip("claims nothing of low rank")
    link, same = Link(build(case)), gradients(alike=True, rank=case.rank)
    for t in range(4):
        into = [a + b for a, b in zip(link.kept(), same[0], strict=True)]
        decoded = link(same)
        if t % case.period in case.in_rounds:
            assert_close(decoded, into, 5e-5)
            assert_close(link.kept(), [np.zeros(shape) for shape in SHAPES], 5e-5)


@every
def test_linear_where_it_claims_to_be(case):
    codec = build(case)
    link, a, b = Link(codec), gradients(seed=1), gradients(seed=2)
    state, memories = list(link.state), list(link.memories)

    def decoded(tensors):
        link.round, link.state, link.memories = 0, list(state), list(memories)
        return link(tensors)

    both = [[2 * x - 3 * y for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]
    combined = [2 * x - 3 * y for x, y in zip(decoded(a), decoded(b), strict=True)]
    difference = max(np.abs(x - y).max() for x, y in zip(decoded(both), combined, strict=True))
    assert (difference < 1e-3) == codec.linear


@every
def test_noise_arrives_with_the_gain_that_the_codec_states(case):
    """Decoded energy of unit noise is G_j, within five sigma of 100 draws."""
    codec = build(case)
    if not codec.linear:
        pytest.skip("the decoder is not linear")
    state = [tf.constant(value) for value in codec.initial_state()]
    draws = 100
    for phase, blocks in enumerate(codec.phases):
        random = np.random.default_rng(phase)
        noise = random.standard_normal((draws, sum(blocks))).astype(np.float32)
        decode = tf.function(lambda x, p=phase: codec.decode(p, x, state)[0], autograph=False)
        totals = [sum(float(tf.reduce_sum(g**2)) for g in decode(x)) for x in noise]
        gain = codec.noise_gains(phase).sum()
        assert abs(np.mean(totals) - gain) < 5 * np.std(totals) / draws**0.5 + 1e-3 * gain


@every
def test_zero_gradients_decode_as_zero_and_a_later_gradient_is_seen(case):
    link = Link(build(case))
    frozen = gradients()
    for own in frozen:
        own[0] = np.zeros_like(own[0])
    for _ in range(2):
        decoded = link(frozen)
        assert not decoded[0].any()
        assert np.isfinite(np.concatenate([g.ravel() for g in decoded])).all()
    nothing = [[np.zeros_like(g) for g in own] for own in frozen]
    silent = Link(build(case))
    for _ in range(3):
        assert all(not g.any() for g in silent(nothing))
    if not case.stable:
        return
    alike = gradients(alike=True)
    recovered = sum(silent(alike)[0] for _ in range(6))
    assert np.vdot(recovered, alike[0][0]) > 0.1 * np.vdot(alike[0][0], alike[0][0])


@every
def test_equal_shapes_do_not_leak_into_each_other(case):
    """What is decoded of a tensor does not change with the size of another of the same shape."""
    came = gradients(alike=True)
    louder = [[g.copy() for g in own] for own in came]
    for own in louder:
        own[0] *= 1000.0
    one, other = Link(build(case)), Link(build(case))
    for _ in range(3):
        quiet, loud = one(came), other(louder)
    assert_close(quiet[1:], loud[1:], 1e-4)


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


@every
def test_equal_shapes_draw_differently(case):
    if case.compressor.name in ("identity", "signum"):
        pytest.skip("draws nothing")
    link = Link(build(case))
    link([[own[0], own[0], *own[2:]] for own in gradients(alike=True)])
    blocks = link.codec.phases[0]
    parts = np.split(link.messages[0][0].reals.numpy(), np.cumsum(blocks))
    same = getattr(case.compressor, "rank", 1) if "column" in case.name else 1
    assert parts[0].shape == parts[same].shape
    assert np.abs(parts[0] - parts[same]).max() > 1e-3


@every
def test_a_worker_that_sits_out_loses_nothing_it_would_have_kept(case):
    codec, link, own = build(case), Link(build(case), workers=1), gradients()[0]
    link([own])
    before = link.kept()
    link.memories = [codec.sit_out([tf.constant(g) for g in own], link.memories[0])]
    feedback = getattr(case.compressor, "error_feedback", False)
    counts = getattr(codec, "compressed", [True] * len(SHAPES))
    expected = [
        (k + g) if feedback and c else k for k, g, c in zip(before, own, counts, strict=True)
    ]
    assert_close(link.kept(), expected, 1e-6)


# ---- what is sent ----


@every
def test_messages_have_the_sizes_and_norms_they_state(case):
    codec, link = build(case), Link(build(case))
    for _ in range(2):
        came = gradients()
        first = 0 if codec.passes > 1 else link.round % len(codec.phases)
        link(came)
        for phase, messages in enumerate(link.messages, first):
            blocks = codec.phases[phase]
            for message in messages:
                assert message.reals.shape == (codec.message_size,)
                assert not message.reals[sum(blocks) :].numpy().any()
                parts = np.split(message.reals.numpy()[: sum(blocks)], np.cumsum(blocks)[:-1])
                norms = [np.linalg.norm(part.astype(np.float64)) for part in parts]
                np.testing.assert_allclose(message.sent_norms, norms, rtol=1e-5)
                assert message.source_norms.shape == (len(blocks),)
    assert codec.round_size * len(codec.phases) == sum(map(sum, codec.phases)) * codec.passes


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


# ---- A-DSGD ----


@pytest.mark.parametrize("size", [2000, 2003])
def test_message_passing_recovers_a_sparse_vector(size):
    from laser_phy.compressors.projection import Projection, message_passing

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
    from laser_phy.compressors.projection import Projection

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
    from laser_phy.compressors.projection import Projection, message_passing

    projection = Projection(2000, 200, [1])
    dense = np.random.default_rng(0).standard_normal(2000).astype(np.float32)
    y = projection.forward(tf.constant(dense))
    found = message_passing(projection, y, 60, 2.0).numpy()
    assert np.linalg.norm(y - projection.forward(found)) <= np.linalg.norm(y)


# ---- on the link ----


def uplink_of(compressor, **fields):
    config = {"compressor": compressor.to_config(), "channel": "ideal", "power_control": "none"}
    uplink = lp.Uplink.from_config({**config, **fields})
    uplink.build(SHAPES, WORKERS, seed=3)
    return uplink


@every
def test_the_ideal_link_gives_what_the_codec_gives(case):
    uplink = uplink_of(case.compressor)
    link = Link(uplink.codec)
    step = tf.function(lambda *tensors: uplink(tensors).gradients, autograph=False)
    for t in range(3):
        came = gradients(seed=t)
        stacked = [np.stack(tensors) for tensors in zip(*came, strict=True)]
        assert_close([g.numpy() for g in step(*stacked)], link(came), case.tolerance)
    if uplink.codec.memory_size:
        np.testing.assert_allclose(uplink.memory, np.stack(link.memories), atol=1e-3)


@every
def test_no_worker_exceeds_the_budget_of_a_round(case):
    control = {"name": "truncated_inversion"}
    power = {"energy_per_round": 50.0, "budget": "round"}
    uplink = uplink_of(case.compressor, channel="rayleigh", power_control=control, power=power)
    step = tf.function(
        lambda *tensors: uplink(tensors).diagnostics["energy_max_worker"], autograph=False
    )
    spent = []
    for t in range(3):
        stacked = [np.stack(tensors) for tensors in zip(*gradients(seed=t), strict=True)]
        spent.append(float(step(*stacked)))
    assert max(spent) <= 50 * (1 + 1e-5)
    assert min(spent) > 10  # and it is spent


@every
def test_state_is_saved_and_restored(case, tmp_path):
    def run(uplink, rounds):
        step = tf.function(lambda *tensors: uplink(tensors).gradients, autograph=False)
        for t in rounds:
            decoded = step(*[np.stack(x) for x in zip(*gradients(seed=t), strict=True)])
        return decoded

    whole, half = uplink_of(case.compressor), uplink_of(case.compressor)
    expected = run(whole, range(3))
    run(half, range(2))
    values = [np.asarray(variable) for variable in half.variables]
    resumed = uplink_of(case.compressor)
    for variable, value in zip(resumed.variables, values, strict=True):
        variable.assign(value)
    for a, b in zip(run(resumed, [2]), expected, strict=True):
        np.testing.assert_array_equal(a, b)


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
