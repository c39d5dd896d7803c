"""One contract for all compressors: a new kind is one line in `compressor_cases.CASES`."""

import numpy as np
import tensorflow as tf
from compressor_cases import (
    CASES,
    SHAPES,
    Link,
    assert_close,
    build,
    every,
    gradients,
    mean,
    those,
    uplink_of,
)

from laser_phy.compressors import KINDS
from laser_phy.core.errors import tag
from laser_phy.testing import check_compressor


def test_every_kind_is_in_the_contract():
    assert {tag(kind) for kind in KINDS} == {case.compressor.name for case in CASES}


@every
def test_the_public_suite(case):
    """What users hold theirs to."""
    check_compressor(case.compressor, shapes=SHAPES)


@every
def test_a_codec_says_what_it_loses(case):
    assert build(case).lossless == case.exact


# ---- what arrives ----


@those(lambda case: case.exact)
def test_what_was_decoded_plus_what_is_kept_is_what_came_in_plus_what_was_kept(case):
    link = Link(build(case))
    for t in range(4):
        before, came = link.kept(), gradients(seed=t)
        decoded = link(came)
        into = [a + b for a, b in zip(before, mean(came), strict=True)]
        out = [a + b for a, b in zip(decoded, link.kept(), strict=True)]
        assert_close(out, into, case.tolerance)
    assert all(np.isfinite(g).all() for g in decoded)


@those(lambda case: not case.feedback)
def test_without_error_feedback_nothing_is_kept(case):
    link = Link(build(case))
    link(gradients())
    assert all(not memory.numpy().any() for memory in link.memories)


@those(lambda case: case.in_rounds)
def test_a_constant_gradient_of_rank_r_leaves_no_residual(case):
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


@those(lambda case: build(case).linear)
def test_noise_arrives_with_the_gain_that_the_codec_states(case):
    """Decoded energy of unit noise is G_j, within five sigma of 100 draws."""
    codec = build(case)
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


@those(lambda case: case.separate)
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


@those(lambda case: case.draws)
def test_equal_shapes_draw_differently(case):
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
    link.memories = [codec.skip_round([tf.constant(g) for g in own], link.memories[0])]
    counts = getattr(codec, "compressed", [True] * len(SHAPES))
    expected = [
        (k + g) if case.feedback and c else k for k, g, c in zip(before, own, counts, strict=True)
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


# ---- on the link ----


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
    power = {"energy_per_round": 500.0, "budget": "round"}
    channel = "rayleigh" if case.compressor.analog else "awgn"
    uplink = uplink_of(case.compressor, channel=channel, power_control=control, power=power)
    step = tf.function(
        lambda *tensors: uplink(tensors).diagnostics["energy_max_worker"], autograph=False
    )
    spent = []
    for t in range(3):
        stacked = [np.stack(tensors) for tensors in zip(*gradients(seed=t), strict=True)]
        spent.append(float(step(*stacked)))
    assert max(spent) <= 500 * (1 + 1e-5)
    assert min(spent) > 100  # and it is spent


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
