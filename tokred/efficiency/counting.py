"""Multiply-accumulates (MACs) that a model executes, counted operation by operation.

`tokred.schedules.macs` computes what publications count, from numbers of tokens alone. What is executed
differs from it:

- Where a method chooses tokens within a block's attention, only their rows of it are computed.
- A classifier of the CLS token needs only that token of the last block. Reduced models compute no other one.
- The reduction itself costs products, which publications do not count; neither do they count the attention
  scores that a method asks for. Both are counted as `reduction`. A method that reuses the attention (MCTF)
  has the scores of all tokens there, and multiplies them with the values of merged tokens at the places of
  all tokens: these are more products than its publication counts.

Counted are matrix products and convolutions, and distances of tokens as one MAC for each element of a pair.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker


@dataclass(frozen=True)
class ExecutedMacs:
    """Executed multiply-accumulates by component, the mean over some images.

    Attributes:
        embedding: the patch embedding.
        attention: projections, scores, and weighted sums of values. In blocks whose attention and MLP share
            their projections, the MLP as well.
        mlp: the MLPs of all blocks.
        reduction: all that the method's stages compute, with the attention scores that they ask for.
        head: the classifier, and attention pooling.
    """

    embedding: float
    attention: float
    mlp: float
    reduction: float
    head: float

    @property
    def total(self) -> float:
        """The sum over components."""
        return self.embedding + self.attention + self.mlp + self.reduction + self.head


def executed_macs(model: nn.Module, images: Tensor) -> ExecutedMacs:
    """The multiply-accumulates of a forward pass by component, the mean over images.

    Each image passes by itself: in a batch, methods that keep different numbers of tokens of each image would
    compute padding.

    Args:
        model: a timm ViT, reduced or not, in evaluation mode.
        images: (B, 3, height, width) on its device; one suffices for methods whose numbers of tokens do not
            depend on the image.
    """
    counts: Counter[str] = Counter()
    for image in images:
        counts += _counted(partial(model, image.unsqueeze(0)), _Component())
    values = {name: counts[name] / len(images) for name in ExecutedMacs.__dataclass_fields__}
    return ExecutedMacs(**values)


def counted(work: Callable[[], object]) -> int:
    """Multiply-accumulates of all matrix products of some work."""
    return sum(_counted(work, lambda parents: "all").values())


def counted_by_module(work: Callable[[], object]) -> Counter[str]:
    """Multiply-accumulates of some work in each module, with all modules in it ("VisionTransformer.head")."""
    counter = _Counter(lambda parents: None)
    counter.run(work)
    return counter.by_module


class _Component:
    """The component of each operation of a forward pass, by the paths of the modules in which it is."""

    def __init__(self) -> None:
        self._in_blocks = False

    def __call__(self, parents: set[str]) -> str:
        parts = {part for path in parents for part in path.split(".")[1:]}
        if "reducers" in parts:
            return "reduction"
        if "blocks" in parts:
            self._in_blocks = True
            return "mlp" if parts & {"mlp", "ffns"} else "attention"
        if parts & {"patch_embed", "embeds"}:
            return "embedding"
        if self._in_blocks:
            return "head"
        return "attention" if parts else "reduction"  # a bias that all blocks share, or `Reducer.begin`


def _counted(work: Callable[[], object], name_of: Callable[[set[str]], str]) -> Counter[str]:
    counter = _Counter(name_of)
    counter.run(work)
    return counter.by_name


class _Counter(TorchDispatchMode):
    """Counts the multiply-accumulates of operations.

    Attributes:
        by_name: by the name that a function gives the set of modules in which an operation is; None for none.
        by_module: by the path of each of these modules.
    """

    def __init__(self, name_of: Callable[[set[str]], str | None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch: no types
        self._name_of, self._tracker = name_of, ModuleTracker()
        self.by_name: Counter[str] = Counter()
        self.by_module: Counter[str] = Counter()

    def run(self, work: Callable[[], object]) -> None:
        """Count the operations of some work."""
        # Fused attention is one operation, whose formula torch does not have for every device.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), self._tracker, self:
            work()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        macs = _macs_of(func._overloadpacket, args, kwargs or {}, out)
        if macs:
            parents = set(self._tracker.parents)
            name = self._name_of(parents)
            self.by_name.update({} if name is None else {name: macs})
            self.by_module.update(dict.fromkeys(parents, macs))
        return out


def _macs_of(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """Multiply-accumulates of an operation: torch's formula, or one for what torch does not count."""
    if operation in _OWN:
        return _OWN[operation](args)
    if operation not in flop_registry:
        return 0
    return int(flop_registry[operation](*args, **kwargs, out_val=out)) // 2


def _distances(args: tuple[Any, ...]) -> int:
    """Multiply-accumulates of distances of (..., P, D) and (..., R, D), whose first dimensions broadcast."""
    first, second = args[0].shape, args[1].shape
    return math.prod(torch.broadcast_shapes(first[:-2], second[:-2])) * first[-2] * second[-2] * first[-1]


_aten = torch.ops.aten
#: Multiply-accumulates of operations that torch's counter leaves out, by their arguments.
_OWN: dict[Any, Callable[[tuple[Any, ...]], int]] = {
    _aten.mv: lambda args: args[0].numel(),
    _aten.addmv: lambda args: args[1].numel(),
    _aten.dot: lambda args: args[0].numel(),
    _aten._cdist_forward: _distances,
    _aten._euclidean_dist: _distances,
}
