"""Identity of a run: data set, backbone, method, keep rate and seed of a trained model.

The order of the fields of :class:`Run` is the order of path components, of the first columns of every
table, of sorting and of Snakemake's wildcards. Nothing else identifies a run: hyperparameters do not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from fractions import Fraction
from pathlib import PurePath

from tokred import fingerprint

#: Keep rate of the unreduced model.
UNREDUCED_RATE = "1.00"
#: Method name of the unreduced model.
UNREDUCED = "none"
#: Takes the place of the data set in the identity of a pretraining.
PRETRAINING = "pretraining"
#: Tables store seeds in 64 bits.
LARGEST_SEED = 2**63 - 1


def canonical_rate(keep_rate: float | str) -> str:
    """The canonical text of a keep rate: at least two decimals, no float noise (0.5 -> "0.50").

    Raises ValueError outside (0, 1].
    """
    text = str(keep_rate)
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", text):
        raise ValueError(f"keep_rate {keep_rate!r}: expected a decimal number in (0, 1]")
    rate = Fraction(text)
    if not 0 < rate <= 1:
        raise ValueError(f"keep_rate {keep_rate!r}: expected a number in (0, 1]")
    whole, _, decimals = text.partition(".")
    decimals = decimals.rstrip("0").ljust(2, "0")
    return f"{int(whole or 0)}.{decimals}"


@dataclass(frozen=True, order=True)
class Run:
    """One trained model.

    Attributes:
        dataset: name of the data set it was fine-tuned and evaluated on.
        backbone: name of the backbone in the study.
        method: reduction method, or "none" for the unreduced model.
        keep_rate: canonical text, see `canonical_rate`; "1.00" for the unreduced model.
        seed: repetition number.
    """

    dataset: str
    backbone: str
    method: str
    keep_rate: str
    seed: int

    def __post_init__(self) -> None:
        if self.keep_rate != canonical_rate(self.keep_rate):
            raise ValueError(
                f"keep_rate {self.keep_rate!r} of {self.method}: expected "
                f"{canonical_rate(self.keep_rate)!r} (canonical form)"
            )
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ValueError(f"seed {self.seed}: expected 0 to {LARGEST_SEED}")

    @classmethod
    def of(cls, wildcards: Mapping[str, str]) -> Run:
        """The run of Snakemake wildcards, which are all text."""
        dataset, backbone, method, keep_rate, seed = (wildcards[field.name] for field in fields(cls))
        return cls(dataset, backbone, method, keep_rate, int(seed))

    @classmethod
    def of_path(cls, path: str | PurePath, folder: str) -> Run | None:
        """The run of a path that ends with `folder` and `RUN_PATH`; None for other paths.

        >>> Run.of_path("results/x/scores/digits/small/topk/0.50/3.parquet", "scores").key
        'digits/small/topk/0.50/3'
        """
        *above, dataset, backbone, method, keep_rate, seed = ("",) * 6 + PurePath(path).with_suffix("").parts
        if above[-1] != folder or not seed.isdecimal() or not re.fullmatch(r"[01]\.[0-9]{2,}", keep_rate):
            return None
        return cls(dataset, backbone, method, keep_rate, int(seed))

    @property
    def source(self) -> str:
        """Data set whose images the run uses; in trials of a search, its name follows a slash."""
        return self.dataset.rpartition("/")[2]

    @property
    def key(self) -> str:
        """Unique text of the run, such as "digits/vit_nano/topk/0.50/0"."""
        return "/".join(map(str, astuple(self)))

    def seed_for(self, *purpose: object) -> int:
        """A 63-bit seed for one purpose within this run, the same on every machine."""
        text = "/".join([self.key, *map(str, purpose)])
        return fingerprint.seed(text) >> 1


#: Names of the identity columns, in order.
RUN_COLUMNS = tuple(field.name for field in fields(Run))
#: Path of a run below a stage's folder, with Snakemake wildcards.
RUN_PATH = "{dataset}/{backbone}/{method}/{keep_rate}/{seed}"
