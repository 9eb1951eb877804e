"""What is known of a figure or table without drawing it."""

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

#: Formats in which each kind is written.
FORMATS = {"figure": ("pdf", "png"), "table": ("csv", "html", "md", "tex")}
#: Topic of artifacts that show this, whatever else they show.
_PROXIES = "Proxies for performance"
#: What an artifact may show, by the attribute of a method that has it.
_SHOWN = {"kept": "kept tokens", "clusters": "clusters", "dynamic": "a variable number of tokens"}


@dataclass(frozen=True)
class Artifact:
    """What is known of an artifact without drawing it.

    Attributes:
        name: name of its files.
        kind: "figure" or "table".
        title: its heading.
        caption: what it shows, and what to look for.
        needs: tables that it reads, by the names of folders of the workflow's results.
        target: "module:function" below `tokred.artifacts`; the function takes the tables by name, the view,
            and the arguments, and returns a figure or a `Table`.
        arguments: what the function shows here, such as a method or a metric: plain values by parameter.
        datasets, backbones, keep_rates: how many of them a study must have at least.
        methods: methods that the study must have, besides those that are shown.
        shows: attributes of `Method`; it shows methods that have any of them at enough keep rates.
        fixed: whether it shows fixed patterns too.
        intervals: what has intervals in it, for the caption: "images" where it has them with one seed or
            more, "seeds" where only with several seeds; empty for nothing.
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
        """Why the artifact makes no sense for a study; None if it does."""
        untold = [table for table in self.needs if not TABLES[table].untrained]
        if untold and not view.trained:
            return f"{self.name} needs {', '.join(untold)}, the study has performance only"
        if "grid" in self.needs and not view.searched:
            return f"{self.name} needs a search of hyperparameters, the study has its own settings"
        if "reference" in self.needs and view.reference is None:
            return f"{self.name} needs something to compare with, the study's `compare_with` is empty"
        if "object_recall" in self.needs and not view.masked:
            return (
                f"{self.name} needs object masks, the study has no data set with any "
                "(option masks_folder of image_folder)"
            )
        for axis in ("datasets", "backbones", "keep_rates"):
            needed, found = getattr(self, axis), len(getattr(view, axis))
            if found < needed:
                return f"{self.name} needs at least {needed} {axis.replace('_', ' ')}, the study has {found}"
        absent = [name for name in self.methods if name not in view.methods]
        if absent:
            return f"{self.name} needs the methods {', '.join(absent)}, which the study has not"
        if self.shows and not any(self._can_show(name, view) for name in view.methods):
            what = " or ".join(_SHOWN[attribute] for attribute in self.shows)
            other = " other" if self.methods else ""
            enough = f" at {self.keep_rates} keep rates" if self.keep_rates > 1 else ""
            return f"{self.name} shows{other} methods with {what}{enough}, the study has none"
        return None

    def _can_show(self, name: str, view: View) -> bool:
        method = METHODS[name]
        if name in self.methods or (method.family is Family.FIXED and not self.fixed):
            return False
        rates = [rate for rate in view.keep_rates if method.can_keep(rate)]
        return len(rates) >= self.keep_rates and any(getattr(method, part) for part in self.shows)

    def caption_for(self, view: View) -> str:
        """The caption, with what intervals are in a study."""
        if self.intervals == "images" or (self.intervals == "seeds" and len(view.seeds) > 1):
            return f"{self.caption} Bars: {describe(len(view.seeds))}."
        return self.caption

    @property
    def code(self) -> tuple[str, ...]:
        """What draws or makes it, as "module:name"."""
        return (f"tokred.artifacts.{self.target}",)

    def make(self, tables: Mapping[str, pd.DataFrame], view: View) -> Figure | Table:
        """The figure or table of a study."""
        module, _, name = self.target.partition(":")
        function = getattr(importlib.import_module(f"tokred.artifacts.{module}"), name)
        return function(tables, view.for_figures() if self.kind == "figure" else view, **self.arguments)

    @property
    def topic(self) -> str:
        """What it is about: its place in the report."""
        first, last = (TABLES[self.needs[index]].topic for index in (0, -1))
        return last if last == _PROXIES else first

    @property
    def label(self) -> str:
        """What people call it: "Figure 13a"."""
        parts = re.fullmatch(r"([a-z]+)([0-9]*[a-z]?)", self.name)
        assert parts is not None, self.name
        kind, number = parts.groups()
        return f"{kind.title()} {number}".strip()

    @property
    def formats(self) -> tuple[str, ...]:
        """Suffixes of its files."""
        return FORMATS[self.kind]
