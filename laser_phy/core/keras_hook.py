"""What `.keras` files of ours need, registered with Keras as soon as both are imported.

Keras finds a class of a saved model among those that were registered, and imports nothing for it.
`import laser_phy` is to stay light, so the classes are registered when Keras is there: at once, if
it was imported before, and else right behind its own import.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

HOLDS = "laser_phy.training"
"""The package whose import registers all that files hold."""

WATCHED = ("keras", "tensorflow")
"""TensorFlow too: it imports Keras before it is whole itself, and what we register needs both."""


def register_with_keras() -> None:
    """Register now, or when Keras is imported."""
    if "keras" in sys.modules:
        _register()
    elif not any(isinstance(finder, _AfterKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterKeras())


def _register() -> None:
    if any(_is_being_imported(name) for name in WATCHED) or "keras" not in sys.modules:
        return
    if sys.modules["keras"].config.backend() != "tensorflow":
        return  # a back end that we do not run on
    # Not what Keras' import should fail for: load_model will say what is missing.
    with contextlib.suppress(Exception):
        importlib.import_module(HOLDS)


def _is_being_imported(name: str) -> bool:
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


class _AfterKeras(importlib.abc.MetaPathFinder):
    """Finds the watched modules as ever, with a loader that registers behind each."""

    def __init__(self) -> None:
        self._asking: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # Every time: who asks where Keras is may not import it, and who imports it asks again.
        if name not in WATCHED or name in self._asking:
            return None
        self._asking.add(name)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asking.remove(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Another loader, and what comes behind it."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        spec = module.__spec__
        if spec is not None:  # the import system calls it so until we return
            spec._initializing = False  # type: ignore[attr-defined]
        _register()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
