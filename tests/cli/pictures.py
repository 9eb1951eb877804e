"""Folders of small pictures, and weights of a tiny model of timm, that tests of the command line share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

#: A model of timm for tests: 6 blocks, 64 wide, 100 tokens at 160 pixels.
MODEL = "test_vit"
#: Stages that it has blocks for.
STAGES = "stages:1,3"


def write_picture(path: Path, color: int, seed: int) -> None:
    """A noisy picture of one color, of any format and not square."""
    pixels = np.random.default_rng(seed).integers(0, 60, (40, 50, 3))
    pixels[..., color] += 180
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def write_classes(folder: Path, names: tuple[str, ...] = ("blue", "green", "red"), each: int = 4) -> Path:
    """One folder per class, whose pictures differ in color; PNG and JPEG."""
    for label, name in enumerate(names):
        for number in range(each):
            suffix = "png" if number % 2 else "jpg"
            write_picture(folder / name / f"{number}.{suffix}", label % 3, 10 * label + number)
    return folder


def write_flat(folder: Path, count: int = 5) -> Path:
    """Pictures without labels."""
    for number in range(count):
        write_picture(folder / f"{number}.png", number % 3, number)
    return folder


def write_weights(path: Path, num_classes: int = 3, model: str = MODEL) -> Path:
    """Random weights that are far from zero, as safetensors or as a published `.pth`."""
    torch.manual_seed(0)
    vit = timm.create_model(model, num_classes=num_classes)
    tensors = {name: tensor.clone() for name, tensor in vit.state_dict().items()}
    for name, tensor in tensors.items():
        if tensor.ndim > 1:
            tensor += 0.1 * torch.randn_like(tensor)
        assert torch.isfinite(tensor).all(), name
    if path.suffix == ".pth":
        torch.save({"model": tensors}, path)
    else:
        save_file(tensors, path)
    return path
