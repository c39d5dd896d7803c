"""What every scheme costs a round, against the paper's figures."""

import io

import numpy as np
import pytest
from rich.console import Console

import laser_phy as lp
from laser_phy.compressors import KINDS, ADsgd, Identity, Laser, RandomK, Signum, Sketch
from laser_phy.core.errors import tag
from laser_phy.experiments.scenario import Scenario
from laser_phy.experiments.scheme_cost import cost, cost_table, model_shapes, scheme_cost, schemes
from laser_phy.uplink.settings import UplinkSettings

LAYER = [(768,), (768, 2304), (768, 768), (768,), (768, 3072), (3072, 768)]
GPT2 = [(50304, 768), (512, 768), *(12 * LAYER), (768,)]


def resnet18(classes=10):
    """Weights of the CIFAR ResNet18: kernels, and scale and shift of every BatchNorm."""
    shapes = [(3, 3, 3, 64), (64,), (64,)]
    channels = 64
    for width in (64, 64, 128, 128, 256, 256, 512, 512):
        shapes += [(3, 3, channels, width), (width,), (width,), (3, 3, width, width)]
        shapes += [(width,), (width,)]
        if channels != width:
            shapes += [(1, 1, channels, width), (width,), (width,)]
        channels = width
    return [*shapes, (512, classes), (classes,)]


def link(compressor, **fields):
    return UplinkSettings(compressor=compressor, **fields)


# MB = 10^6 bytes, as the paper counts; the last digit it prints
PAPER = [
    ("gpt2", Identity(), 495.92, 0.005),
    ("gpt2", Signum(), 15.50, 0.005),
    ("gpt2", RandomK(factor=0.2), 99.18, 0.005),
    ("gpt2", Sketch(factor=0.2), 99.18, 0.005),
    ("gpt2", Laser(rank=4, factors="both"), 3.274, 0.0005),
    ("resnet18", Identity(), 44.70, 0.005),
    ("resnet18", Laser(rank=4, factors="both"), 0.620, 0.0005),
    ("resnet18", Laser(rank=4), 0.329, 0.0005),
]


@pytest.mark.parametrize(("model", "compressor", "megabytes", "digit"), PAPER, ids=str)
def test_the_papers_megabytes(model, compressor, megabytes, digit):
    shapes = {"gpt2": GPT2, "resnet18": resnet18()}[model]
    row = scheme_cost(link(compressor), shapes, 4)
    assert abs(row.megabytes - megabytes) <= digit
    full = scheme_cost(link(Identity()), shapes, 4)
    assert row.saving == pytest.approx(full.bits / row.bits)


def test_the_shapes_are_those_of_the_models():
    assert sum(map(np.prod, GPT2)) == 123_980_544
    assert sum(map(np.prod, resnet18())) == 11_173_962
    assert len(resnet18()) == 62
    # A-DSGD sends what is too small to project as it is
    assert scheme_cost(link(ADsgd(factor=0.2)), GPT2, 4).megabytes == pytest.approx(99.18, abs=0.1)


def test_symbols_energy_and_air_time_of_mnist():
    """Laser rank 2: 789 symbols and 15 in turn; 478 data subcarriers; 35.67 us an OFDM symbol."""
    shapes, workers = [(784, 10), (10,)], 16
    row = scheme_cost(link(Laser(rank=2), channel=lp.channels.Awgn()), shapes, workers)
    assert (row.floats, row.symbols) == ((1578 + 30) / 2, (789 + 15) / 2)
    duration = (512 + 36) / (512 * 30e3)
    assert row.air_time_s == pytest.approx((2 + 1) / 2 * duration)
    assert row.energy == 100.0
    assert row.symbol_snr_db == pytest.approx(10 * np.log10(100 / 402 / 2))
    assert row.control_bytes == 4 * 2 * (16 + 1)
    assert row.control_energy == pytest.approx(8 * row.control_bytes * 2 * np.log(2))
    assert row.feedback_floats == 0

    both = scheme_cost(
        link(Laser(rank=2, factors="both"), channel=lp.channels.Awgn()), shapes, workers
    )
    assert (both.symbols, both.air_time_s) == (799, pytest.approx((2 + 1) * duration))
    assert both.feedback_floats == 1578
    assert both.control_bytes == 4 * 3 * (16 + 1)  # three blocks: P, the bias, Q


def test_the_table_agrees_with_the_link():
    from laser_phy.uplink.uplink import Uplink

    for compressor in schemes(Laser(rank=3)):
        settings = link(compressor, channel=lp.channels.Awgn(), power=lp.Power(snr_db=3.0))
        uplink = Uplink(**{name: getattr(settings, name) for name in UplinkSettings.model_fields})
        uplink.build([(40, 30), (12,)], 3)
        row = scheme_cost(settings, [(40, 30), (12,)], 3)
        stacked = [np.ones((3, 40, 30), np.float32), np.ones((3, 12), np.float32)]
        rounds = [uplink(stacked).diagnostics for _ in range(2)]
        for name, value in (
            ("symbols_per_round", row.symbols),
            ("air_time_ms", 1e3 * row.air_time_s),
            ("control_bytes_per_round", row.control_bytes),
        ):
            assert np.mean([float(r[name]) for r in rounds]) == pytest.approx(value), compressor
        assert uplink.energy_budget == pytest.approx(row.energy)


def scenario(dataset, model, compressor):
    return Scenario.from_config(
        {
            "task": {"dataset": dataset, "model": model},
            "uplink": {"compressor": compressor, "channel": "awgn", "power_control": "none"},
        }
    )


def test_a_scenario_lists_every_scheme_and_marks_its_own():
    rows = cost(scenario("mnist", "linear", {"name": "laser", "rank": 2}))
    assert {tag(kind) for kind in KINDS} == {row.scheme.split(",")[0] for row in rows}
    assert [row.scheme for row in rows if row.chosen] == ["laser, rank 2, alternate"]
    other = cost(scenario("mnist", "linear", {"name": "random_k", "factor": 0.1}))
    assert [row.floats for row in other if row.chosen] == [785]
    unusual = {"name": "laser", "rank": 2, "blocks": "column"}
    assert sum(row.chosen for row in cost(scenario("mnist", "linear", unusual))) == 1


@pytest.mark.parametrize(
    ("dataset", "model", "parameters"),
    [
        ("mnist", "linear", 7850),
        ("digits", {"name": "mlp", "hidden": [5]}, 385),
        ({"name": "pydocs", "context": 128}, {"name": "gpt", "preset": "nano"}, 836_736),
        (
            {"name": "wikitext103", "context": 16, "tokenizer": {"name": "bpe"}},
            {"name": "gpt", "layers": 1, "embedding": 8, "heads": 1},
            4096 * 8 + 16 * 8 + 3 * 8 + 12 * 8 * 8,
        ),
    ],
)
def test_shapes_come_without_the_data(dataset, model, parameters):
    shapes = model_shapes(scenario(dataset, model, "identity"))
    assert sum(map(np.prod, shapes)) == parameters


def test_the_table_is_readable():
    console = Console(width=120, record=True, file=io.StringIO())
    rows = cost(scenario("mnist", "linear", {"name": "laser", "rank": 2}))
    console.print(cost_table(rows))
    text = console.export_text()
    assert "* laser, rank 2, alternate" in text
    assert "402" in text
    assert "136 B" in text
