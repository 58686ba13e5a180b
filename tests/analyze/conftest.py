"""Tables by hand, ready for a test."""

import pytest
from tables_by_hand import Shelf, sa2va_on


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def sa2va(shelf: Shelf) -> str:
    return sa2va_on(shelf)
