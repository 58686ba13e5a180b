"""Every sample log gives what its expected file says; `--accept` writes the files anew (then read the diff)."""

import pytest
from expectation import EXPECTED, described, path_of
from reading import FORMATS, SAMPLE_FILES, SAMPLES, name_of

CASES = [name_of(file) for file in SAMPLE_FILES]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return described(SAMPLES, FORMATS, tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("case", CASES)
def test_a_sample_gives_what_is_expected(case: str, found: dict[str, str], request: pytest.FixtureRequest) -> None:
    """The tables of each sample are known by their counts, their first and last rows, facts, events and issues."""
    file = path_of(case)
    if request.config.getoption("--accept"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found[case], "utf-8")
    got = file.with_name(file.name + ".got")
    wanted = file.read_text("utf-8") if file.exists() else ""
    if found[case] == wanted:
        got.unlink(missing_ok=True)
        return
    got.parent.mkdir(parents=True, exist_ok=True)
    got.write_text(found[case], "utf-8")
    assert found[case] == wanted, f"see {got}; if it is right: pytest tests/test_expected.py --accept"


def test_no_expected_file_is_left_over(request: pytest.FixtureRequest) -> None:
    """An expected file without its sample would be read and believed."""
    if request.config.getoption("--accept"):
        pytest.skip("the files are being written")
    there = {file.relative_to(EXPECTED).as_posix().removesuffix(".txt") for file in EXPECTED.rglob("*.txt")}
    assert there == set(CASES)


def test_what_a_failing_case_leaves_is_not_committed() -> None:
    """The `.got` file stands beside the expected one and is ignored by git."""
    ignored = (EXPECTED.parents[1] / ".gitignore").read_text().splitlines()
    assert "*.got" in ignored
