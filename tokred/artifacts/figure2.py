"""Figure 2: example images of each data set."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from tokred.artifacts import style
from tokred.artifacts.examples import picture
from tokred.artifacts.view import View

#: Characters of a class name that fit below a picture.
_FITS = 14


def draw(tables: Mapping[str, pd.DataFrame], view: View) -> Figure:
    """A row a data set, the classes of each picture below it."""
    rows = tables["pictures"]
    across = int(rows["place"].max()) + 1
    size = (style.WIDE - 0.7) / across
    fig = style.figure(style.WIDE, 0.1 + (size + 0.17) * len(view.datasets))
    panels = fig.subplots(len(view.datasets), across, squeeze=False)
    for (dataset, label), line_of_panels in zip(view.datasets.items(), panels, strict=True):
        of_dataset = rows[rows["dataset"] == dataset].set_index("place")["label"]
        for place, axes in enumerate(line_of_panels):
            if place not in of_dataset.index:
                axes.remove()
                continue
            axes.imshow(picture(tables, dataset, place), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            names = of_dataset[place]
            axes.set_xlabel(names if len(names) <= _FITS else names[: _FITS - 1] + "…", fontsize=6)
        line_of_panels[0].set_ylabel(label)
    return fig
