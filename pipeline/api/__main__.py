"""`python -m trainqc` is `trainqc`."""

import sys

from trainqc.pipeline.cli import main  # pyright: ignore[reportMissingImports] (this folder is the package `trainqc`)

if __name__ == "__main__":
    sys.exit(main())
