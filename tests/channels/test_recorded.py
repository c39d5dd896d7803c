"""Recorded and traced links: files, assignment, refusals, the cache, a machine without LLVM."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from laser_phy.channels import Cir, Site
from laser_phy.channels.grid import round_grid
from laser_phy.channels.recording import Recording, load, save
from laser_phy.channels.site import save_site, traced
from laser_phy.channels.tracing import NoLlvm, candidates
from laser_phy.phy.ofdm import Ofdm

OFDM = Ofdm(fft_size=64, cyclic_prefix=8, guard_carriers=(3, 2))
GRID = round_grid(OFDM, 58 * 3)


def recording(links: int = 3, antennas: int = 2, moving: bool = True) -> Recording:
    """Links of 2 paths, link l of power (l + 1)^2 in all."""
    generator = np.random.default_rng(7)
    gains = np.exp(2j * np.pi * generator.uniform(size=(links, antennas, 2))) / np.sqrt(2)
    directions = generator.normal(size=(links, 2, 3))
    directions /= np.linalg.norm(directions, axis=2, keepdims=True)
    return Recording(
        gains=(gains * np.arange(1, links + 1)[:, None, None]).astype(np.complex64),
        delays_s=np.tile([0.0, 1e-6], (links, 1)),
        departures=directions.astype(np.float32) if moving else None,
        carrier_hz=3.5e9,
    )


def responses(fading, workers, realisations=(0,), speed=0.0) -> np.ndarray:
    """[realisation, worker, antenna, element]"""
    rows = []
    for realisation in realisations:
        state = fading.draw(tf.constant(realisation, tf.int64), tf.constant(speed))
        rows.append([fading.response(state, tf.constant(w)).numpy() for w in range(workers)])
    return np.array(rows)


@pytest.mark.parametrize("suffix", [".npz", ".h5", ".hdf5"])
def test_a_file_gives_back_what_was_saved(tmp_path, suffix):
    one = recording()
    save(one, tmp_path / f"links{suffix}")
    two = load(str(tmp_path / f"links{suffix}"))
    np.testing.assert_array_equal(one.gains, two.gains)
    np.testing.assert_array_equal(one.delays_s, two.delays_s)
    np.testing.assert_array_equal(one.departures, two.departures)
    assert two.carrier_hz == 3.5e9


def test_a_link_without_directions_is_the_recorded_one_up_to_a_phase(tmp_path):
    one = recording(moving=False)
    save(one, tmp_path / "links.npz")
    channel = Cir(path=str(tmp_path / "links.npz"), antennas=2, speed_mps=30.0)
    fading = channel.build(GRID, 5, workers=4)
    h = responses(fading, 4, speed=30.0)[0]
    steering = np.exp(-2j * np.pi * np.outer([0.0, 1e-6], GRID.frequencies_hz))
    link_of = [0, 1, 2, 0]  # worker k has link k, modulo the links
    powers = np.array([1.0, 4.0, 9.0, 1.0])
    np.testing.assert_allclose(fading.powers(), powers / powers.mean(), rtol=1e-6)
    for worker, link in enumerate(link_of):
        expected = np.tile(one.gains[link] @ steering, (1, 3)) / np.sqrt(powers.mean())
        ratio = h[worker] / expected
        np.testing.assert_allclose(np.abs(ratio), 1, atol=1e-4)
        np.testing.assert_allclose(ratio, ratio[0, 0], atol=1e-4)


def test_a_random_link_is_any_of_the_file_and_the_same_when_asked_again(tmp_path):
    save(recording(moving=False), tmp_path / "links.npz")
    channel = Cir(path=str(tmp_path / "links.npz"), assignment="random")
    fading = channel.build(GRID, 5, workers=8)
    h = responses(fading, 8, range(60))
    np.testing.assert_array_equal(responses(fading, 8, range(3)), h[:3])
    # the first element of links 0, 1, 2 has one modulus each
    levels, counts = np.unique(np.abs(h[:, :, 0, 0]).round(4), return_counts=True)
    assert len(levels) == 3
    n, third = 480, 480 / 3  # multinomial: five standard deviations
    assert np.abs(counts - third).max() < 5 * np.sqrt(n * (1 / 3) * (2 / 3))
    assert fading.powers() == [1.0] * 8
    laws = fading.laws()
    assert all(law is laws[0] for law in laws)


def test_doppler_is_that_of_the_path_towards_which_the_worker_moves(tmp_path):
    """One path: its phase turns by 2 pi v t cos(angle) / lambda, the angle drawn a realisation."""
    straight = Recording(
        gains=np.ones([1, 1, 1], np.complex64),
        delays_s=np.zeros([1, 1]),
        departures=np.array([[[1.0, 0.0, 0.0]]], np.float32),
    )
    save(straight, tmp_path / "one.npz")
    channel = Cir(path=str(tmp_path / "one.npz"), speed_mps=30.0)
    grid = round_grid(OFDM, 58 * 10)
    h = responses(channel.build(grid, 5, workers=1), 1, range(200), speed=30.0)[:, 0, 0]
    h = h.reshape(200, 10, -1)[:, :, 0]
    turn = np.angle(h[:, 1:] / h[:, :-1])  # realisation, step
    np.testing.assert_allclose(turn, turn[:, :1] * np.ones(9), atol=1e-4)
    largest = 2 * np.pi * 30.0 / channel.wavelength_m * grid.symbol_duration_s
    cosines = turn[:, 0] / largest
    assert np.abs(cosines).max() < 1 + 1e-3
    # headings are uniform: the mean of cos is 0, of cos^2 is 1/2 with variance 1/8
    assert abs(cosines.mean()) < 5 * np.sqrt(1 / 2 / 200)
    assert abs((cosines**2).mean() - 0.5) < 5 * np.sqrt(1 / 8 / 200)


def test_what_ships_is_found_by_name():
    links = load("street_canyon")
    assert len(links) == 64
    assert links.antennas == 16
    assert links.departures is not None
    fading = Cir(antennas=4).build(GRID, 1, workers=16)
    powers = np.array(fading.powers())
    assert powers.mean() == pytest.approx(1)
    assert 10 * np.log10(powers.max() / powers.min()) > 10  # some workers are weak


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"one that ships: street_canyon; got 'nowhere'"):
        Cir(path="nowhere").build(GRID, 1, workers=2)
    with pytest.raises(ValueError, match=r"antennas must be <= 16.*got 32"):
        Cir(antennas=32).build(GRID, 1, workers=2)
    with pytest.raises(ValueError, match=r"carrier_hz must be 3.5e\+09 \(Hz\).*got 2.8e\+10"):
        Cir(carrier_hz=28e9).build(GRID, 1, workers=2)
    np.savez(tmp_path / "bad.npz", gains=np.ones([1, 1, 1]))
    with pytest.raises(ValueError, match="without delays_s"):
        load(str(tmp_path / "bad.npz"))
    with pytest.raises(ValueError, match=r"delays_s must have the shape \[1, 2\].*got \[1, 3\]"):
        Recording(gains=np.ones([1, 1, 2]), delays_s=np.zeros([1, 3]))
    with pytest.raises(ValueError, match="link 1 is"):
        Recording(gains=np.array([[[1]], [[0]]]), delays_s=np.zeros([2, 1]))
    with pytest.raises(ValueError, match="worker_positions_m must be given with placement given"):
        Site(placement="given")
    with pytest.raises(ValueError, match="rows must divide antennas 4"):
        Site(antennas=4, rows=3)


def test_places_on_a_circle_and_in_it():
    circle = candidates(Site(placement="circle", radius_m=50.0), 8, attempt=0)
    centre = np.array([-30.0, 0.0])
    np.testing.assert_allclose(np.linalg.norm(circle[:, :2] - centre, axis=1), 50.0)
    assert (circle[:, 2] == 1.5).all()
    disc = candidates(Site(placement="random", radius_m=50.0), 500, attempt=0)
    radii = np.linalg.norm(disc[:, :2] - centre, axis=1)
    assert radii.max() <= 50
    # uniform in the disc: r^2 / R^2 is uniform, of variance 1/12
    assert abs((radii**2).mean() / 2500 - 0.5) < 5 / np.sqrt(12 * 2000)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LASER_PHY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_traced_site_is_kept(cache, monkeypatch, tmp_path):
    """The tracer is called once for a site; speed does not trace again, another place does."""
    from laser_phy.channels import tracing

    calls = []

    def trace_apart(site, workers, file):
        calls.append((site, workers))
        save(recording(links=workers, antennas=site["antennas"]), file)

    monkeypatch.setattr(tracing, "trace_apart", trace_apart)
    site = Site(antennas=2)
    first = traced(site, 3)
    again = traced(site.model_copy(update={"speed_mps": 9.0, "coherence_rounds": 4}), 3)
    np.testing.assert_array_equal(first.gains, again.gains)
    assert len(calls) == 1
    traced(site.model_copy(update={"radius_m": 20.0}), 3)
    traced(site, 4)
    assert len(calls) == 3
    assert len(list(cache.iterdir())) == 3
    save_site(site, 3, tmp_path / "site.h5")
    exported = Cir(path=str(tmp_path / "site.h5"), antennas=2).build(GRID, 1, workers=3)
    direct = site.build(GRID, 1, workers=3)
    np.testing.assert_allclose(responses(exported, 3), responses(direct, 3), atol=1e-6)


def test_without_llvm_the_package_is_named(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(tmp_path / "none.so"))
    with pytest.raises(NoLlvm, match=r"apt install libllvm15.*path: street_canyon"):
        Site().build(GRID, 1, workers=2)
    assert list(cache.iterdir()) == []


def traced_here(site: Site, workers: int) -> Recording:
    try:
        return traced(site, workers)
    except NoLlvm:
        pytest.skip("Sionna RT does not find LLVM here")


@pytest.mark.long
def test_tracing_free_space(cache):
    """High above a scene the line of sight has the amplitude lambda / (4 pi d)."""
    places = ((100.0, 0.0, 20.0), (0.0, 200.0, 20.0))
    site = Site(
        scene="simple_street_canyon",
        server_position_m=(0.0, 0.0, 300.0),
        placement="given",
        worker_positions_m=tuple((x, y, 300.0) for x, y, _ in places),
        reflections=0,
        antennas=2,
    )
    links = traced_here(site, 2)
    distances = np.array([100.0, 200.0])
    expected = site.wavelength_m / (4 * np.pi * distances)
    np.testing.assert_allclose(
        np.abs(links.gains[:, :, 0]), np.tile(expected[:, None], 2), rtol=1e-3
    )
    # the path leaves a worker towards the server
    np.testing.assert_allclose(links.departures[:, 0], [[-1, 0, 0], [0, -1, 0]], atol=1e-3)


@pytest.mark.long
def test_tracing_a_street(cache):
    site = Site(antennas=2)
    traced_here(site, 6)
    fading = site.build(GRID, 1, workers=6)
    assert len(fading.recording) == 6
    spread = 10 * np.log10(max(fading.powers()) / min(fading.powers()))
    assert 0 < spread < site.coverage_db
    with pytest.raises(ValueError, match=r"scene must be .* munich.* got 'atlantis'"):
        Site(scene="atlantis").build(GRID, 1, workers=2)
