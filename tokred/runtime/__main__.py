"""Entry point of the processes of a distributed job, started by torchrun: see `tokred.runtime.launch`."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import threading
from pathlib import Path

from tokred.runtime import distributed
from tokred.runtime.device import resolve
from tokred.settings import Hardware

log = logging.getLogger(__name__)


def main(request: Path) -> None:
    """Join the process group, and call the function of the request."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    rank = int(os.environ["RANK"])
    if rank == 0:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
        log.info("%s processes, %s on each node", os.environ["WORLD_SIZE"], os.environ["LOCAL_WORLD_SIZE"])
    content = json.loads(request.read_text(encoding="utf-8"))
    module, _, name = content["target"].partition(":")
    hardware = Hardware(**content["job"]["hardware"])
    try:
        distributed.init(resolve(hardware.device))
        getattr(importlib.import_module(module), name)(content["job"])
    except Exception as error:
        request.with_name(f"error-{rank}").write_text(str(error), encoding="utf-8")
        raise
    distributed.shutdown()


def _end_with_launcher() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
