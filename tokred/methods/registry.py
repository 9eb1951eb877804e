"""The registry of methods: names, labels, styles and capabilities.

A method is one file (a `Reducer` subclass) and one line here. This module does not import torch, so that the
workflow, metrics and figures can use labels, colors and capabilities at no cost.
"""

from __future__ import annotations

import ast
import fnmatch
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

from tokred.methods import options as opt
from tokred.names import lookup
from tokred.run import UNREDUCED
from tokred.schedules.base import Limits
from tokred.schedules.macs import Site
from tokred.validation import Strict, parse


class Family(StrEnum):
    """Paradigm of a method (paper section 3.1; the paper has no method that both prunes and merges).

    Fixed pruning does not regard what an image shows.
    """

    NONE = "unreduced"
    FIXED = "fixed pruning"
    STATIC = "static pruning"
    DYNAMIC = "dynamic pruning"
    HARD = "hard merging"
    SOFT = "soft merging"
    COMBINED = "pruning and merging"


@dataclass(frozen=True)
class Method:
    """Facts about a method that are known without importing its code.

    Attributes:
        name: key in configurations, paths and tables.
        label: name in figures and tables (matplotlib mathtext allowed).
        family: its paradigm.
        color, marker: style in figures.
        target: "module:class" of the `Reducer`; empty for the unreduced model.
        kept: whether slots have representative input tokens (kept tokens or cluster centers).
        clusters: whether slots merge several input tokens.
        dynamic: whether the number of kept tokens varies from image to image.
        needs_attention: whether a stage uses the attention of the previous block.
        site: position of its stages in their blocks.
        min_keep_rate: smallest fraction of its tokens that a stage can keep, as exact decimal text.
        prunes_and_merges: whether a stage can take two numbers of tokens, see `tokred.schedules.DiffRate`.
        options: model of its options, with defaults.
        must_train: what of it has to be trained, for the message; empty: it also works in a pretrained ViT.
        if_untrained: options with which it has no parameters, if it has any by default.
    """

    name: str
    label: str
    family: Family
    color: str
    marker: str
    target: str = ""
    kept: bool = False
    clusters: bool = False
    dynamic: bool = False
    needs_attention: bool = False
    site: Site = Site.BEFORE
    min_keep_rate: str = "0"
    prunes_and_merges: bool = False
    options: type[Strict] = opt.NoOptions
    must_train: str = ""
    if_untrained: Mapping[str, object] = field(default_factory=dict)

    @property
    def code(self) -> tuple[str, ...]:
        """The code of the method, as "module:name": its `Reducer` and its options."""
        options = f"{self.options.__module__}:{self.options.__name__}"
        return (self.target, options) if self.target else (options,)

    @property
    def plain_label(self) -> str:
        """The label for output without mathematical typesetting."""
        return self.name if "$" in self.label else self.label

    @property
    def summary(self) -> str:
        """What it does, with its publication: the first line of its code, which is not imported."""
        if not self.target:
            return "The Vision Transformer as it is."
        path = Path(__file__).with_name(self.target.partition(":")[0].rpartition(".")[2] + ".py")
        return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]

    @property
    def reference(self) -> str:
        """First author and year of its publication; empty for a method without one.

        >>> METHODS["atc"].reference
        'Haurum et al. 2024'
        """
        found = re.search(r"\(([A-Z][^;()]*) ([0-9]{4})", self.summary)
        if found is None:
            return "Haurum et al. 2023" if "paper section" in self.summary else ""
        first, more, _ = found.group(1).partition(",")
        return f"{first}{' et al.' if more else ''} {found.group(2)}"

    def load(self) -> type:
        """The `Reducer` class; imports torch."""
        module, _, name = self.target.partition(":")
        return getattr(importlib.import_module(module), name)

    def check_options(self, values: Mapping[str, object]) -> Strict:
        """The method's validated options; ValueError for an unknown name or a wrong value."""
        return parse(self.options, values, f"options of method {self.name!r}")

    def untrained_options(self, values: Mapping[str, object] | None = None) -> dict[str, object]:
        """Options of a model that is not trained.

        Args:
            values: those that a user has set.

        Returns:
            These, and the ones without which the method had random parameters.

        Raises:
            ValueError: the method has layers that must be trained, or an option was set that adds some.

        >>> METHODS["dpcknn"].untrained_options({"neighbors": 3})
        {'neighbors': 3, 'weights': 'equal'}
        """
        if self.must_train:
            raise ValueError(f"{self.name!r} cannot be used untrained, as {self.must_train}")
        chosen = dict(values or {})
        for name, needed in self.if_untrained.items():
            if chosen.setdefault(name, needed) != needed:
                raise ValueError(
                    f"{name}: found {chosen[name]!r}, which {self.name!r} has to learn; untrained it needs "
                    f"{needed!r}"
                )
        return chosen

    def can_keep(self, keep_rate: float | str) -> bool:
        """Whether the method supports a keep rate."""
        return Fraction(str(keep_rate)) >= Fraction(self.min_keep_rate)

    @property
    def limits(self) -> Limits:
        """The schedules that the method can follow."""
        return Limits(
            method=self.name,
            site=self.site,
            min_keep_rate=Fraction(self.min_keep_rate),
            first_block=1 if self.needs_attention else 0,
            prunes_and_merges=self.prunes_and_merges,
        )


_PKG = "tokred.methods"
_PAPER = [
    Method(UNREDUCED, "Unreduced", Family.NONE, "#000000", "*"),
    Method("l1", r"$\ell_1$", Family.FIXED, "#999999", "<", f"{_PKG}.fixed:L1", kept=True),
    Method("l2", r"$\ell_2$", Family.FIXED, "#777777", ">", f"{_PKG}.fixed:L2", kept=True),
    Method("linf", r"$\ell_\infty$", Family.FIXED, "#555555", "h", f"{_PKG}.fixed:Linf", kept=True),
    Method("topk", "Top-K", Family.STATIC, "#0072B2", "o", f"{_PKG}.topk:TopK", kept=True, site=Site.WITHIN),
    Method("evit", "EViT", Family.STATIC, "#56B4E9", "D", f"{_PKG}.evit:EViT", kept=True, site=Site.AFTER),
    Method(
        "dynamicvit",
        "DynamicViT",
        Family.STATIC,
        "#004D73",
        "P",
        f"{_PKG}.dynamicvit:DynamicViT",
        kept=True,
        options=opt.DynamicViTOptions,
        must_train="its scores of tokens are those of a small network of its own",
    ),
    Method(
        "ats",
        "ATS",
        Family.DYNAMIC,
        "#CC79A7",
        "X",
        f"{_PKG}.ats:ATS",
        kept=True,
        dynamic=True,
        site=Site.WITHIN,
    ),
    Method(
        "tome",
        "ToMe",
        Family.HARD,
        "#D55E00",
        "o",
        f"{_PKG}.tome:ToMe",
        clusters=True,
        site=Site.AFTER,
        min_keep_rate="0.5",
        options=opt.ToMeOptions,
    ),
    Method(
        "kmedoids",
        "K-Medoids",
        Family.HARD,
        "#E69F00",
        "s",
        f"{_PKG}.kmedoids:KMedoids",
        kept=True,
        clusters=True,
        needs_attention=True,
        options=opt.KMedoidsOptions,
    ),
    Method(
        "dpcknn",
        "DPC-KNN",
        Family.HARD,
        "#8C3B00",
        "D",
        f"{_PKG}.dpcknn:DPCKNN",
        kept=True,
        clusters=True,
        options=opt.DPCKNNOptions,
        if_untrained={"weights": "equal"},
    ),
    Method(
        "sit",
        "SiT",
        Family.SOFT,
        "#009E73",
        "^",
        f"{_PKG}.sit:SiT",
        clusters=True,
        must_train="its weights of tokens are those of a small network of its own",
    ),
    Method(
        "patchmerger",
        "PatchMerger",
        Family.SOFT,
        "#004D38",
        "v",
        f"{_PKG}.patchmerger:PatchMerger",
        clusters=True,
        must_train="its output tokens are those that learned queries attend to",
    ),
    Method(
        "sinkhorn",
        "Sinkhorn",
        Family.SOFT,
        "#66D9B8",
        "P",
        f"{_PKG}.sinkhorn:Sinkhorn",
        clusters=True,
        options=opt.SinkhornOptions,
        must_train="its cluster centers are parameters of its own",
    ),
]
_ALL = [
    *_PAPER,
    Method(
        "atc",
        "ATC",
        Family.HARD,
        "#F0B07A",
        "p",
        f"{_PKG}.atc:ATC",
        clusters=True,
        site=Site.AFTER,
        options=opt.ATCOptions,
    ),
    Method(
        "mctf",
        "MCTF",
        Family.HARD,
        "#B3541E",
        "X",
        f"{_PKG}.mctf:MCTF",
        clusters=True,
        site=Site.REUSE,
        min_keep_rate="0.5",
        options=opt.MCTFOptions,
    ),
    Method(
        "gtp",
        "GTP",
        Family.STATIC,
        "#2B9BE0",
        "^",
        f"{_PKG}.gtp:GTP",
        kept=True,
        site=Site.AFTER,
        options=opt.GTPOptions,
    ),
    Method(
        "dtem",
        "DTEM",
        Family.HARD,
        "#F2A65A",
        "P",
        f"{_PKG}.dtem:DTEM",
        clusters=True,
        site=Site.AFTER,
        min_keep_rate="0.5",
        options=opt.DTEMOptions,
        must_train="its similarities are those of an embedding of its own",
    ),
    Method(
        "pitome",
        "PiToMe",
        Family.HARD,
        "#A6761D",
        "p",
        f"{_PKG}.pitome:PiToMe",
        clusters=True,
        site=Site.AFTER,
        min_keep_rate="0.5",
        options=opt.PiToMeOptions,
    ),
    Method(
        "tofu",
        "ToFu",
        Family.COMBINED,
        "#9E8AC7",
        "H",
        f"{_PKG}.tofu:ToFu",
        kept=True,
        clusters=True,
        site=Site.AFTER,
        min_keep_rate="0.5",
        options=opt.ToFuOptions,
    ),
    Method(
        "diffrate",
        "DiffRate",
        Family.COMBINED,
        "#5E3C99",
        "d",
        f"{_PKG}.diffrate:DiffRate",
        kept=True,
        clusters=True,
        site=Site.AFTER,
        prunes_and_merges=True,
        options=opt.DiffRateOptions,
    ),
    Method(
        "random",
        "Random",
        Family.FIXED,
        "#BBBBBB",
        "8",
        f"{_PKG}.random_tokens:RandomTokens",
        kept=True,
        options=opt.RandomOptions,
    ),
    Method("uniform", "Uniform", Family.FIXED, "#333333", "s", f"{_PKG}.uniform:UniformGrid", kept=True),
]

#: Every method by name, the unreduced model first, then the paper's in its order, then all others.
METHODS: dict[str, Method] = {method.name: method for method in _ALL}
#: Names of the paper's thirteen methods, in its order.
PAPER: tuple[str, ...] = tuple(method.name for method in _PAPER if method.target)


def get(name: str) -> Method:
    """The method of that name; ValueError with the nearest known name otherwise."""
    return lookup("method", name, METHODS)


def list_methods(
    pattern: str = "*",
    *,
    family: Family | str | None = None,
    kept: bool | None = None,
    clusters: bool | None = None,
) -> list[str]:
    """Names of the methods that `tokred.reduce` takes, in `METHODS`' order; arguments select among them.

    Args:
        pattern: shell-style, as for timm's `list_models`.
        family: paradigm, such as "soft merging"; see `Family`.
        kept: whether slots have representative input tokens (kept tokens or cluster centers).
        clusters: whether slots merge several input tokens.

    Raises:
        ValueError: an unknown family.

    >>> list_methods("*vit")
    ['evit', 'dynamicvit']
    >>> list_methods(kept=True, clusters=True)
    ['kmedoids', 'dpcknn', 'tofu', 'diffrate']
    """
    selected = None if family is None else lookup("family", str(family), {f.value: f for f in Family})
    return [
        method.name
        for method in METHODS.values()
        if fnmatch.fnmatchcase(method.name, pattern)
        and selected in (None, method.family)
        and kept in (None, method.kept)
        and clusters in (None, method.clusters)
    ]
