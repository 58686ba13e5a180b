"""Samplers and loaders of torch, accelerate, mmengine or xtuner over a grid, every rank in turn; prints the counts.

    python loaders.py torch|accelerate|mmengine|xtuner [FOLDER of the package]

One JSON list on stdout: sampler (the rule's name), N, B, W, A, drop, n (len of the sampler, per rank), I (batches that
the loader gave, per rank), told (its len, per rank), drawn and distinct (samples, all ranks).
"""

import importlib.machinery
import importlib.util
import itertools
import json
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, DistributedSampler

SAMPLES = (1, 2, 3, 5, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 100, 129)
BATCHES = (1, 2, 3, 8)
RANKS = (1, 2, 3, 4, 8)
WINDOWS = (1, 2, 3, 8)

Case = tuple[int, int, int, bool]


class Numbers(list[int]):
    @property
    def length(self) -> list[int]:
        """What LengthGroupedSampler groups by."""
        return [1 + number % 7 for number in self]


def same(batch: list[int]) -> list[int]:
    return batch


def cases(ranks: Sequence[int] = RANKS) -> Iterator[Case]:
    return itertools.product(SAMPLES, BATCHES, ranks, (False, True))


def row(
    sampler: str, case: Case, loader_of: Callable[[int], tuple[int, Any]], a: int = 1, at_most: int | None = None
) -> dict[str, Any]:
    """What all ranks got; an endless loader is stopped after `at_most` batches. loader_of: rank to the sampler's len
    and the loader."""
    n, b, w, drop = case
    per_rank, told, batches, seen = [], [], [], []
    for rank in range(w):
        length, loader = loader_of(rank)
        per_rank.append(length)
        told.append(len(loader))
        got = list(itertools.islice(loader, len(loader) if at_most is not None else None))
        batches.append(len(got))
        seen += [number for batch in got for number in batch]
    return {
        "sampler": sampler, "N": n, "B": b, "W": w, "A": a, "drop": drop,
        "n": per_rank, "I": batches, "told": told, "drawn": len(seen), "distinct": len(set(seen)),
    }  # fmt: skip


def loader(case: Case, sampler: Any = None) -> Any:
    return DataLoader(Numbers(range(case[0])), batch_size=case[1], sampler=sampler, drop_last=case[3], collate_fn=same)


def by_torch() -> Iterator[dict[str, Any]]:
    for case in cases():
        n, _, w, _ = case
        for name, drops in (("DistributedSampler", False), ("DistributedSampler, drop_last=True", True)):

            def shared(rank: int, case: Case = case, drops: bool = drops) -> tuple[int, Any]:
                sampler = DistributedSampler(range(case[0]), case[2], rank, shuffle=True, drop_last=drops)
                return len(sampler), loader(case, sampler)

            yield row(name, case, shared)
        yield row("no distributed sampler", case, lambda _, case=case, n=n: (n, loader(case)))
        if w == 1:
            yield row("one process", case, lambda _, case=case, n=n: (n, loader(case)))


def by_accelerate() -> Iterator[dict[str, Any]]:
    from accelerate.data_loader import prepare_data_loader

    for case in cases():

        def dealt(rank: int, case: Case = case) -> tuple[int, Any]:
            own = prepare_data_loader(loader(case), num_processes=case[2], process_index=rank, put_on_device=False)
            return sum(len(batch) for batch in own), own

        yield row("Trainer's sampler", case, dealt)


def as_rank(module: Any, rank: int, ranks: int) -> None:
    """What a sampler asks of the process group; one process is every rank in turn."""
    module.get_dist_info = lambda: (rank, ranks)
    module.sync_random_seed = lambda: 0


def by_mmengine() -> Iterator[dict[str, Any]]:
    import mmengine.dataset.sampler as module

    for case in cases():
        numbers = Numbers(range(case[0]))
        for name, round_up in (("DefaultSampler", True), ("DefaultSampler, round_up=False", False)):

            def shared(rank: int, case: Case = case, round_up: bool = round_up, numbers: Any = numbers) -> Any:
                as_rank(module, rank, case[2])
                sampler = module.DefaultSampler(numbers, round_up=round_up)
                return len(sampler), loader(case, sampler)

            yield row(name, case, shared)

        def endless(rank: int, case: Case = case, numbers: Any = numbers) -> tuple[int, Any]:
            as_rank(module, rank, case[2])
            sampler = module.InfiniteSampler(numbers, seed=0)
            return len(sampler), loader(case, sampler)

        yield row("InfiniteSampler", case, endless, at_most=0)


def from_file(name: str, path: Path) -> Any:
    """A module by its file: the packages around it need what is not installed here."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_xtuner(folder: Path) -> Iterator[dict[str, Any]]:
    grouped = from_file("length_grouped", folder / "dataset/samplers/length_grouped.py")
    grouped.print_log = lambda *_, **__: None
    others = folder / "dataset/samplers/intern_repo.py"
    name = "LengthGroupedSampler" if others.exists() else "LengthGroupedSampler (old)"
    for case in cases():
        numbers = Numbers(range(case[0]))
        for a in WINDOWS:

            def filled(rank: int, case: Case = case, a: int = a, numbers: Any = numbers) -> tuple[int, Any]:
                as_rank(grouped, rank, case[2])
                sampler = grouped.LengthGroupedSampler(numbers, per_device_batch_size=case[1] * a)
                return len(sampler), loader(case, sampler)

            yield row(name, case, filled, a)
    if others.exists():
        yield from in_groups(folder, others)


def in_groups(folder: Path, others: Path) -> Iterator[dict[str, Any]]:
    """The samplers that share the data among groups of ranks; W is the number of groups."""
    groups = types.ModuleType("xtuner.parallel.sequence")
    groups.get_data_parallel_rank = groups.get_data_parallel_world_size = lambda: 0  # type: ignore[attr-defined]
    for name in ("xtuner", "xtuner.parallel"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules[groups.__name__] = sys.modules["xtuner.parallel.setup_distributed"] = groups
    repo = from_file("intern_repo", others)
    source = (folder / "parallel/sequence/sampler.py").read_text("utf-8")
    sequence: dict[str, Any] = {}
    exec(source.replace("from .setup_distributed", f"from {groups.__name__}"), sequence)
    for case in cases():
        numbers = Numbers(range(case[0]))
        kinds = [("SequenceParallelSampler", sequence["SequenceParallelSampler"], sequence)]
        if case[0] >= case[2]:  # fewer samples than groups: torch's loader refuses a sampler without samples
            kinds.append(("InternRepoSampler", repo.InternRepoSampler, vars(repo)))
        for name, kind, names in kinds:

            def shared(
                rank: int, case: Case = case, kind: Any = kind, names: Any = names, numbers: Any = numbers
            ) -> Any:
                names["get_data_parallel_rank"] = lambda: rank
                names["get_data_parallel_world_size"] = lambda: case[2]
                names["sync_random_seed"] = lambda: 0
                sampler = kind(numbers)
                return len(sampler), loader(case, sampler)

            yield row(name, case, shared)


if __name__ == "__main__":
    torch.set_num_threads(1)
    counts = {"torch": by_torch, "accelerate": by_accelerate, "mmengine": by_mmengine}
    rows = by_xtuner(Path(sys.argv[2])) if sys.argv[1] == "xtuner" else counts[sys.argv[1]]()
    json.dump(list(rows), sys.stdout)
