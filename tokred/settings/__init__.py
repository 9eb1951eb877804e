"""Typed configuration: the single source of what a study may say.

Here is what single jobs are told. `tokred.study.study` describes whole studies, and jobs go without it: its
models take as long to build as two steps of a small training.
"""

from tokred.settings.augmentation import Augmentation
from tokred.settings.backbone import Backbone
from tokred.settings.hardware import DEFAULT_HARDWARE, Hardware
from tokred.settings.images import ImageAccess
from tokred.settings.training import Training
from tokred.validation import parse

__all__ = ["DEFAULT_HARDWARE", "Augmentation", "Backbone", "Hardware", "ImageAccess", "Training", "parse"]
