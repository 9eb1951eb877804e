"""Corruptions of test images, and how strong they are at each severity.

Noise, blur and brightness at severities 1, 2 and 3 are those of Hendrycks and Dietterich (2019, "Benchmarking
neural network robustness to common corruptions and perturbations") at severities 1, 3 and 5 for images of
224 x 224. Occlusion is the random patch drop of Naseer et al. (2021, "Intriguing properties of vision
transformers"), here with the image's mean color.

Strengths mean the same at every image size. Noise is scaled by the square root of the shorter side: in a
smaller image a pixel shows more of the object and has fewer neighbors to average with, so that equal noise
would be harder. Blur is scaled by the side, plus `LEAST_BLUR` in quadrature, as a narrower kernel does
nothing to pixels. At 32 x 32 this gives noise of .03, .07 and .14 and blur of .42, .59 and .95 pixels, close
to Hendrycks and Dietterich's own strengths for images of that size (noise of .04, .08 and .10, blur of .4, .7
and 1 pixels).
"""

from __future__ import annotations

from dataclasses import dataclass

from tokred.names import lookup

#: Shorter side, in pixels, of images for which strengths were published.
PUBLISHED_SIDE = 224
#: Standard deviation of the narrowest blur, in pixels.
LEAST_BLUR = 0.4
#: Strength grows from 1 to 3.
SEVERITIES = (1, 2, 3)


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        name: name in tables and on the command line.
        label: name in figures and tables for people.
        strengths: strength at each severity.
        strength: what a strength is, with its unit.
    """

    name: str
    label: str
    strengths: tuple[float, float, float]
    strength: str

    def at(self, severity: int) -> float:
        """The strength at a severity; ValueError unless it is 1, 2 or 3."""
        if severity not in SEVERITIES:
            raise ValueError(f"corruption {self.name!r}: expected a severity of 1, 2 or 3, found {severity}")
        return self.strengths[severity - 1]


_ALL = [
    Corruption(
        "noise",
        "Noise",
        (0.08, 0.18, 0.38),
        "standard deviation of Gaussian noise on every value, for images of 224 x 224 with values in [0, 1]; "
        "scaled by sqrt(side / 224)",
    ),
    Corruption(
        "blur",
        "Blur",
        (1.0, 3.0, 6.0),
        "standard deviation of the Gaussian kernel in pixels, for images of 224 x 224; scaled by side / 224",
    ),
    Corruption(
        "brightness",
        "Brightness",
        (0.1, 0.3, 0.5),
        "what is added to the value of hue, saturation and value, which are in [0, 1]",
    ),
    Corruption(
        "occlusion",
        "Occlusion",
        (0.2, 0.4, 0.6),
        "fraction of the patches that are replaced by the image's mean color",
    ),
]
#: Every corruption by name, in the order of figures.
CORRUPTIONS: dict[str, Corruption] = {corruption.name: corruption for corruption in _ALL}
#: Number of forward passes over the test images for all of them.
PASSES = len(CORRUPTIONS) * len(SEVERITIES)


def get(name: str) -> Corruption:
    """The corruption of a name; ValueError for unknown names."""
    return lookup("corruption", name, CORRUPTIONS)
