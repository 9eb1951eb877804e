"""The reduction methods, one file each; `registry` describes them.

This package can also be called: `tokred.methods()` tells what can be asked of `tokred.reduce`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from types import ModuleType


class _CallableModule(ModuleType):
    def __call__(self) -> dict[str, dict[str, object]]:
        """What each method is: label, family, capabilities, smallest keep rate, options with defaults."""
        from tokred.methods.registry import METHODS

        return {
            spec.name: {
                "label": spec.label,
                "family": str(spec.family),
                "kept": spec.kept,
                "clusters": spec.clusters,
                "dynamic": spec.dynamic,
                "min_keep_rate": spec.min_keep_rate,
                "options": asdict(spec.options()),
            }
            for spec in METHODS.values()
        }


sys.modules[__name__].__class__ = _CallableModule
