"""Typed configuration: the single source of what a study may say.

Here is what single jobs are told. `tokred.config.study` describes whole studies, and jobs go without it: its
models take as long to build as two steps of a small training.
"""

from tokred.config.augmentation import Augmentation
from tokred.config.backbone import Backbone
from tokred.config.base import parse
from tokred.config.hardware import DEFAULT_HARDWARE, Hardware
from tokred.config.images import ImageAccess
from tokred.config.training import Training

__all__ = ["DEFAULT_HARDWARE", "Augmentation", "Backbone", "Hardware", "ImageAccess", "Training", "parse"]
