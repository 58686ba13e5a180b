"""Options of the whole test suite."""

import pytest
from hypothesis import settings

settings.register_profile("no deadlines", deadline=None)  # a shared machine may be slow; nothing is timed here
settings.load_profile("no deadlines")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--accept",
        action="store_true",
        help="write tests/expected/ anew from what the logs now give; then read the diff",
    )
