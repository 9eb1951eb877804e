"""`python -m tokred`: the command line."""

from __future__ import annotations

from tokred.cli.app import main

if __name__ == "__main__":
    main()
