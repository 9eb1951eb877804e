"""Typed configuration: the single source of what a study may say."""

from tokred.config.backbone import Backbone
from tokred.config.base import parse
from tokred.config.hardware import DEFAULT_HARDWARE, Hardware
from tokred.config.images import ImageAccess
from tokred.config.study import Dataset, Study
from tokred.config.training import Training

__all__ = ["DEFAULT_HARDWARE", "Backbone", "Dataset", "Hardware", "ImageAccess", "Study", "Training", "parse"]
