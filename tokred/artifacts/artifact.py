"""Properties of figures and tables that are known without drawing them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tokred.methods.registry import METHODS, Family
from tokred.statistics.intervals import describe
from tokred.study.view import View
from tokred.tables.registry import TABLES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tokred.presentation.table import Table

#: File formats of each kind of artifact.
FORMATS = {"figure": ("pdf", "png"), "table": ("csv", "html", "md", "tex")}
#: Topic that takes precedence over those of an artifact's other tables.
_PROXIES = "Proxies for performance"
#: Part of captions of performance in a study without training.
_NOT_FINE_TUNED = "The methods act in pretrained backbones, without fine-tuning."
#: Parts of patterns that an artifact may show, by the attribute of methods that have them.
_SHOWN = {"kept": "kept tokens", "clusters": "clusters", "dynamic": "a variable number of tokens"}


@dataclass(frozen=True)
class Artifact:
    """A figure or table: its texts, its input tables, and the studies that can have it.

    Attributes:
        name: name of its files.
        kind: "figure" or "table".
        title: its heading.
        caption: explanation of what it shows, and of what to look for.
        needs: names of the result tables that it reads.
        target: "module:function" below `tokred.artifacts`; the function takes the tables by name, the view,
            and the arguments, and returns a figure or a `Table`.
        arguments: further arguments of the function, such as a method or a metric, as plain values by name.
        datasets, backbones, keep_rates: the least number of them that a study must have.
        methods: methods that the study must have, besides those that are shown.
        shows: attributes of `Method`: the artifact shows methods that have any of them at enough keep rates.
        fixed: whether it shows fixed patterns as well.
        intervals: kind of intervals that it shows, for the caption: "images" if it has intervals with one
            seed or more, "seeds" if only with several seeds; empty if it has none.
    """

    name: str
    kind: str
    title: str
    caption: str
    needs: tuple[str, ...]
    target: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    datasets: int = 1
    backbones: int = 1
    keep_rates: int = 1
    methods: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    fixed: bool = False
    intervals: str = ""

    def unavailable_reason(self, view: View) -> str | None:
        """The reason why a study cannot have the artifact; None if it can."""
        missing_tables = [table for table in self.needs if not TABLES[table].untrained]
        if missing_tables and not view.trained:
            return f"{self.name} needs {', '.join(missing_tables)}, the study has performance only"
        of_training = [table for table in self.needs if TABLES[table].of_training]
        if of_training and not view.fine_tuned:
            return f"{self.name} needs {', '.join(of_training)}, the study trains no models"
        if "grid" in self.needs and not view.searched:
            return f"{self.name} needs a hyperparameter search, the study has settings of its own"
        if "reference" in self.needs and view.reference is None:
            return f"{self.name} needs a reference, the study's `compare_with` is empty"
        if "object_recall" in self.needs and not view.masked:
            return (
                f"{self.name} needs object masks, no data set of the study has them "
                "(option masks_folder of image_folder)"
            )
        for axis in ("datasets", "backbones", "keep_rates"):
            needed, count = getattr(self, axis), len(getattr(view, axis))
            if count < needed:
                return f"{self.name} needs at least {needed} {axis.replace('_', ' ')}, the study has {count}"
        absent = [name for name in self.methods if name not in view.methods]
        if absent:
            return f"{self.name} needs the methods {', '.join(absent)}, which the study lacks"
        if self.shows and not any(self._can_show(name, view) for name in view.methods):
            parts = " or ".join(_SHOWN[attribute] for attribute in self.shows)
            other = " other" if self.methods else ""
            enough = f" at {self.keep_rates} keep rates" if self.keep_rates > 1 else ""
            return f"{self.name} shows{other} methods with {parts}{enough}, the study has none"
        return None

    def _can_show(self, name: str, view: View) -> bool:
        method = METHODS[name]
        if name in self.methods or (method.family is Family.FIXED and not self.fixed):
            return False
        return len(view.rates_of(name)) >= self.keep_rates and any(
            getattr(method, part) for part in self.shows
        )

    def caption_for(self, view: View) -> str:
        """The caption, with what depends on the study: whether it trains, and the kind of intervals."""
        parts = [self.caption]
        if "scores" in self.needs and not view.fine_tuned:
            parts.append(_NOT_FINE_TUNED)
        if self.intervals == "images" or (self.intervals == "seeds" and len(view.seeds) > 1):
            parts.append(f"Bars: {describe(len(view.seeds))}.")
        return " ".join(parts)

    @property
    def code(self) -> tuple[str, ...]:
        """The function that draws or makes it, as "module:name"."""
        return (f"tokred.artifacts.{self.target}",)

    def make(self, tables: Mapping[str, pd.DataFrame], view: View) -> Figure | Table:
        """The figure or table of a study."""
        module, _, name = self.target.partition(":")
        function = getattr(importlib.import_module(f"tokred.artifacts.{module}"), name)
        return function(tables, view.for_figures() if self.kind == "figure" else view, **self.arguments)

    @property
    def topic(self) -> str:
        """Its subject, which is its category in the report."""
        first, last = (TABLES[self.needs[index]].topic for index in (0, -1))
        return last if last == _PROXIES else first

    @property
    def label(self) -> str:
        """Its name for people: "Figure 13a", "Pareto macs"."""
        parts = re.fullmatch(r"(figure|table)([0-9]+[a-z]?)", self.name)
        return f"{parts[1].title()} {parts[2]}" if parts else self.name.replace("_", " ").capitalize()

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of its files."""
        return FORMATS[self.kind]
