"""What srun does on two nodes: run a command once on each; here both are this machine."""

from __future__ import annotations

import subprocess
import sys

if __name__ == "__main__":
    nodes = [subprocess.Popen(sys.argv[1:]) for _ in range(2)]
    sys.exit(max(node.wait() for node in nodes))
