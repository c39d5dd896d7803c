"""Where what took long to make is kept: traced sites, trained tokenizers."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """LASER_PHY_CACHE, or `laser_phy` in the user's cache folder."""
    if folder := os.environ.get("LASER_PHY_CACHE"):
        return Path(folder).expanduser()
    return platformdirs.user_cache_path("laser_phy")
