"""Add pretrained backbones to the package.

Usage: python -m tokred.models.ship results/default/pretrained/*.safetensors
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tokred.files import atomic_path
from tokred.models import shipped, tensor_file


def ship(files: Sequence[str | Path], folder: str | Path = shipped.FOLDER) -> None:
    """Copy files that `pretrain` wrote into the package, and add them to its manifest.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a file is damaged, or was not written by `pretrain`.
    """
    manifest_path = Path(folder) / "manifest.json"
    manifest = json.loads(manifest_path.read_text(encoding="utf-8")) if manifest_path.exists() else {}
    for file in map(Path, files):
        _, facts = tensor_file.load(file, "weights")
        missing = [name for name in ("recipe", "properties") if name not in facts]
        if missing:
            raise ValueError(f"{file}: expected weights of a pretraining, found none of its {missing[0]}")
        with atomic_path(Path(folder) / file.name) as temporary:
            shutil.copyfile(file, temporary)
        entry = {"sha256": shipped.sha256(file), "recipe": facts["recipe"], "properties": facts["properties"]}
        manifest[file.stem] = entry
    with atomic_path(manifest_path) as temporary:
        temporary.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    ship(sys.argv[1:])
