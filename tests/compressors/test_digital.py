"""D-DSGD: bits within the channel's capacity, against closed forms."""

import math

import numpy as np
import pytest
import tensorflow as tf
from compressor_cases import Link, build, gradients

import laser_phy as lp
from laser_phy.compressors import Digital
from laser_phy.compressors.digital import most_entries, needed_bits, quantised
from laser_phy.core.errors import Refusal
from laser_phy.experiments.run.summary_text import in_words
from laser_phy.experiments.scenario import Scenario

MNIST = [(784, 10), (10,)]  # 7,850 parameters


def largest(size, bits):
    """q by whole numbers alone."""
    q, ways = 0, 1
    while q < size // 2:
        ways = ways * (size - q) // (q + 1)
        if math.log2(ways) + 33 > bits:
            break
        q += 1
    return q


@pytest.mark.parametrize("size", [1, 2, 3, 2047, 2050, 7850])
def test_as_many_entries_as_the_bits_allow(size):
    for bits in (0, 33.5, 34, 45.9, 46, 60, 100, 1000, 7000, math.inf):
        assert int(most_entries(size, bits)) == largest(size, bits), bits


def test_bits_of_very_many_parameters():
    """C(d, 2) = d (d - 1) / 2, to the last bit that counts."""
    size = 123_980_544
    exact = math.log2(size * (size - 1) // 2) + 33
    assert float(needed_bits(size, 2)) == pytest.approx(exact, abs=1e-5)
    assert int(most_entries(size, exact + 1e-4)) == 2
    assert int(most_entries(size, exact - 1e-4)) == 1


@pytest.mark.parametrize(("workers", "energy", "factor"), [(1, 3.0, 0.5), (16, 1000.0, 0.1)])
def test_the_rate_is_that_of_the_shared_channel(workers, energy, factor):
    codec = build(Digital(factor=factor), shapes=MNIST)
    uses = int(factor * 7850)
    rate = uses / (2 * workers) * math.log2(1 + workers * energy / (uses * 2.0))
    assert float(codec.capacity(energy, workers, noise=2.0)) == pytest.approx(rate, rel=1e-12)
    assert float(codec.capacity(energy, workers, noise=0.0)) == math.inf


def test_below_an_energy_of_64_mnist_is_silent_however_many_channel_uses_there_are():
    """R < P / (2 ln 2) and one entry takes log2(7850) + 33 bits, so P > 63.7."""
    assert float(needed_bits(7850, 1)) == pytest.approx(45.9385, abs=1e-4)
    entries = lambda codec, p, k: int(codec.with_energy([], p, k, 1.0)[0])  # noqa: E731
    whole = build(Digital(factor=1.0), shapes=MNIST)
    assert [entries(whole, p, 1) for p in (10.0, 63.6, 64.0)] == [0, 0, 1]
    tenth = build(Digital(factor=0.1), shapes=MNIST)
    assert [entries(tenth, p, 16) for p in (64.0, 130.5, 130.7)] == [0, 0, 1]
    (said,) = tenth.notes(10.0, 16, 1.0)
    assert said.startswith("digital is silent: a message of one entry takes 45.9 bits, and the ")
    assert said.endswith("From an energy_per_round of about 131 on there is one entry.")
    (said,) = tenth.notes(1000.0, 16, 1.0)
    assert "carries 108.4 bits a worker and round, so that a message has 6 of 7,850" in said
    (said,) = build(Digital(factor=0.001), shapes=MNIST).notes(10.0, 16, 1.0)
    assert said.endswith("No energy is enough with so few channel uses: raise factor.")


def test_the_larger_mean_is_sent_where_its_entries_stand():
    x = tf.constant([3.0, -5.0, 1.0, -1.0, 0.5, 0.0])
    assert quantised(x, 1).numpy().tolist() == [0, -5, 0, 0, 0, 0]
    assert quantised(x, 2).numpy().tolist() == [0, -3, 0, -3, 0, 0]
    assert quantised(-x, 2).numpy().tolist() == [0, 3, 0, 3, 0, 0]
    # the third smallest is no negative number: it neither counts nor is sent
    assert quantised(x, 3).numpy().tolist() == [0, -3, 0, -3, 0, 0]
    assert not quantised(x, 0).numpy().any()
    assert not quantised(tf.zeros([6]), 3).numpy().any()


def test_one_number_serves_all_tensors():
    """What the contract asks of the others, that tensors do not matter to each other, is not so."""
    came = gradients(workers=1)
    louder = [[1000 * came[0][0], *came[0][1:]]]
    quiet, loud = (Link(build(Digital()), workers=1)(own) for own in (came, louder))
    values = {float(v) for tensor in quiet for v in np.unique(tensor)} - {0.0}
    assert len(values) == 1
    assert any(np.abs(a - b).max() > 1 for a, b in zip(quiet[1:], loud[1:], strict=True))


def digital_link(energy, **fields):
    config = {"compressor": {"name": "digital", "factor": 0.5}, "channel": "awgn"}
    uplink = lp.Uplink.from_config({**config, "power": {"energy_per_round": energy}, **fields})
    uplink.build([(40, 30), (12,)], workers=4)
    return uplink


def stacked(seed=0):
    random = np.random.default_rng(seed)
    return [random.standard_normal((4, *s)).astype(np.float32) for s in ((40, 30), (12,))]


def test_messages_arrive_exactly_and_pay_for_code_words():
    uplink = digital_link(1000.0)
    (entries,) = uplink.with_energy([])
    came = stacked()
    decoded, diagnostics = uplink(came)[:2]
    flat = np.concatenate([g.reshape(4, -1) for g in came], axis=1)
    expected = np.mean([quantised(tf.constant(x), entries) for x in flat], axis=0)
    got = np.concatenate([g.numpy().ravel() for g in decoded])
    np.testing.assert_allclose(got, expected, atol=1e-6)
    uses = 606
    assert float(diagnostics["symbols_per_round"]) == uses / 2
    assert float(diagnostics["energy_max_worker"]) == 1000
    assert float(diagnostics["energy_mean_worker"]) == 1000
    snr_db = 10 * np.log10(4 * 1000 / uses)  # K P / s, which stands in the logarithm
    assert float(diagnostics["uplink_snr_db"]) == pytest.approx(snr_db, abs=1e-4)
    assert float(diagnostics["bits_per_worker"]) <= float(uplink.codec.capacity(1000.0, 4, 1.0))
    assert float(diagnostics["uplink_nmse_db"]) == -200
    assert float(diagnostics["control_bytes_per_round"]) == 0


def test_a_link_below_one_entry_spends_nothing_and_keeps_everything():
    uplink, came = digital_link(10.0), stacked()
    decoded, diagnostics = uplink(came)[:2]
    assert not any(g.numpy().any() for g in decoded)
    assert float(diagnostics["energy_max_worker"]) == float(diagnostics["bits_per_worker"]) == 0
    np.testing.assert_array_equal(uplink.memory[:, :1200], came[0].reshape(4, -1))


def test_antennas_raise_the_capacity():
    one, four = digital_link(300.0), digital_link(300.0, channel={"name": "awgn", "antennas": 4})
    more = digital_link(1200.0)
    rates = [int(link.with_energy([])[0]) for link in (one, four, more)]
    assert rates[0] < rates[1] == rates[2]


def test_a_schedule_changes_the_bits_and_retraces_nothing():
    uplink, came = digital_link(1.0), stacked()
    step = tf.function(lambda *g: uplink(list(g)).diagnostics["bits_per_worker"], autograph=False)
    bits = []
    for energy in (1000.0, 300.0, 10.0):
        uplink.energy.assign(energy)
        (entries,) = uplink.with_energy([])
        bits.append(float(step(*came)))
        needed = float(needed_bits(1212, entries)) if entries else 0.0
        assert bits[-1] == pytest.approx(needed, rel=1e-6)
    assert bits[0] > bits[1] > bits[2] == 0
    assert step.experimental_get_tracing_count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "at the capacity of white noise; got channel 'tdl', which fades. Write channel: awgn"),
        (
            {"channel": "awgn", "receiver": "energy"},
            "got receiver 'energy'.* Write receiver: scale",
        ),
        (
            {"channel": "awgn", "impairments": {"clipping": 2.0}},
            "no symbols that impairments could act on; got clipping. Remove it.",
        ),
    ],
)
def test_what_has_no_capacity_here_is_refused(fields, sentence):
    config = {"compressor": "digital", "power_control": "none", **fields}
    with pytest.raises(Refusal, match=sentence):
        lp.Uplink.from_config(config)


def test_a_run_says_that_it_is_silent(tmp_path, capsys):
    scenario = Scenario.from_config(
        {
            "task": {"dataset": "digits", "model": "linear", "workers": 4, "batch_size": 16,
                     "epochs": 1},
            "uplink": {"compressor": "digital", "channel": "awgn", "power_control": "none",
                       "power": {"energy_per_round": 5}},
        }
    )  # fmt: skip
    result = lp.run(scenario, out=tmp_path / "run", rounds=2)
    said = " ".join(capsys.readouterr().out.split())
    assert "digital is silent: a message of one entry takes 42.3 bits" in said
    assert result.summary["uplink"]["bits_per_worker"] == 0
    assert "Bits: none." in " ".join(in_words(result.summary))
