"""Which methods with which schedules: options of several commands, and the models that follow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokred.cli.options import keep_rates as read_rates
from tokred.cli.options import method_names
from tokred.methods import registry
from tokred.run import UNREDUCED
from tokred.schedules import Schedule, Stages
from tokred.schedules.text import WITH_KEEP_RATE, kind_of, parse_schedule

if TYPE_CHECKING:
    from tokred.efficiency.judging import Configuration
    from tokred.models.pretrained import LoadedVit

#: Word for all methods that need no training.
ALL = "all"
#: Keep rate of schedules that have one.
_DEFAULT_RATE = "0.7"


@dataclass(frozen=True)
class Selection:
    """Methods, and schedules that each of them follows.

    Attributes:
        methods: their names, without the unreduced model.
        schedules: schedule by keep rate; the rate is empty where the schedule has none.
        lenient: whether methods that cannot follow a schedule are left out, with a note.
    """

    methods: tuple[str, ...]
    schedules: dict[str, Schedule]
    lenient: bool = False

    @classmethod
    def of(cls, methods: str, keep_rates: str | None, schedule: str) -> Selection:
        """The selection that options describe.

        Raises ValueError for unknown methods or schedules, or keep rates beside a schedule that has none.
        """
        lenient = methods.strip() == ALL
        named = [n for n in registry.list_methods() if n != UNREDUCED and not registry.get(n).must_train]
        names = named if lenient else method_names(methods)
        if kind_of(schedule) not in WITH_KEEP_RATE:
            if keep_rates is not None:
                raise ValueError(
                    f"--keep-rates {keep_rates}: schedule {schedule!r} says how many tokens are left, and "
                    "takes no keep rate"
                )
            return cls(tuple(names), {"": parse_schedule(schedule, None)}, lenient)
        rates = read_rates(_DEFAULT_RATE if keep_rates is None else keep_rates)
        return cls(tuple(names), {rate: parse_schedule(schedule, rate) for rate in rates}, lenient)

    def configurations(self, loaded: LoadedVit) -> tuple[list[Configuration], list[str]]:
        """The unreduced model and all reduced ones, and notes about those that are left out.

        Raises ValueError for a method that cannot follow a schedule, or must be trained.
        """
        from tokred.efficiency.judging import Configuration

        notes: list[str] = []
        unreduced = loaded.reduced(UNREDUCED, Stages(keep_rate="1.00", locations=(0,)))
        found = [Configuration(UNREDUCED, "", unreduced)]
        for name, rate, schedule in self._each():
            try:
                found.append(Configuration(name, rate, loaded.reduced(name, schedule)))
            except ValueError as error:
                if not self.lenient:
                    raise
                notes.append(f"Without {name} {rate}: {error}.")
        return found, notes

    def _each(self) -> Iterator[tuple[str, str, Schedule]]:
        for name in self.methods:
            for rate, schedule in self.schedules.items():
                yield name, rate, schedule
