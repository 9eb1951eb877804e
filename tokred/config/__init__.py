"""Typed configuration: the single source of what a study may say."""

from tokred.config.base import parse
from tokred.config.study import Backbone, Dataset, Study
from tokred.config.training import Training

__all__ = ["Backbone", "Dataset", "Study", "Training", "parse"]
