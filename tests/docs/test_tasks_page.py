"""The scenario on the page of tasks runs."""

import re

import numpy as np
from paths import ROOT

import laser_phy as lp


def test_the_scenario_of_the_page(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "regression.yaml").write_text(block)
    x = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    y = x @ np.arange(5) + np.sin(x[:, 0])
    np.savez("table.npz", x_train=x[:200], y_train=y[:200], x_test=x[200:], y_test=y[200:])
    run = lp.run("regression.yaml", quiet=True)
    errors = run.history["val_root_mean_squared_error"]
    assert run.summary["metric"]["best"] == errors.min() < 0.7 * errors.iloc[0]
