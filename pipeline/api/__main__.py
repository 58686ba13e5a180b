"""`python -m trainqc` is `trainqc`."""

from trainqc.pipeline.cli import program  # pyright: ignore[reportMissingImports] (this folder is the package `trainqc`)

if __name__ == "__main__":
    program()
