"""Typed settings of single jobs, as validated pydantic models.

`tokred.study.study` has the configuration of whole studies. Jobs do not import it, as its models take as long
to build as two steps of a small training.
"""

from tokred.settings.augmentation import Augmentation
from tokred.settings.backbone import Backbone
from tokred.settings.hardware import DEFAULT_HARDWARE, Hardware
from tokred.settings.images import ImageAccess
from tokred.settings.training import Training
from tokred.validation import parse

__all__ = ["DEFAULT_HARDWARE", "Augmentation", "Backbone", "Hardware", "ImageAccess", "Training", "parse"]
