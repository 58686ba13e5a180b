"""The rules of counting against the code that they describe: it is run over a grid, counted, and compared.

Versions that need other companions than the newest lie in folders of their own, `NAME-VERSION` (made by `pip install
--no-deps --target`), below the folder that TRAINQC_OLDER_PRODUCERS names.
"""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from trainqc.pipeline.analyze.identities import SAMPLERS, UPDATES, Sampler, Updates

PROGRAMS = Path(__file__).parent / "programs"
OFFLINE = {"HF_HUB_OFFLINE": "1", "KERAS_BACKEND": "jax", "DS_ACCELERATOR": "cpu"}
SAMPLER = {rule.name: rule for rule in SAMPLERS}
UPDATE = {rule.name: rule for rule in UPDATES}

LOADERS = {
    "torch": ("one process", "no distributed sampler", "DistributedSampler", "DistributedSampler, drop_last=True"),
    "accelerate": ("Trainer's sampler",),
    "mmengine": ("DefaultSampler", "DefaultSampler, round_up=False", "InfiniteSampler"),
    "xtuner": ("LengthGroupedSampler", "SequenceParallelSampler", "InternRepoSampler"),
    "xtuner-0.1.11": ("LengthGroupedSampler (old)",),
}
"""What counts the samplers of which rules."""
WINDOWS = {
    "mmengine": "carried, flushed at the end",
    "accelerate": "flushed at each epoch's end",
    "lightning": "flushed at each epoch's end",
    "huggingface": "transformers ≥ 4.52",
    "transformers-4.46.3": "transformers ≤ 4.46",
    "transformers-4.49.0": "transformers 4.47–4.51",
    "keras": "carried, lost at the end",
    "deepspeed": "carried, lost at the end",
}
"""What counts the windows of which rule."""
FAMILIES = {"huggingface": (117, 3.0), "transformers-4.49.0": (114, 2.94), "transformers-4.46.3": (114, 2.98)}
"""1,221 samples by 4, 8 to an update, 3 epochs of 306 iterations: the updates, and the epoch that is printed last."""
STEPS = {"huggingface": "Trainer's sampler", "keras": "Keras steps"}
"""Who makes its own loader there, by which rule."""
UNSEEN = {
    "Keras bar that counts samples",  # standalone Keras up to 2.2
    "xtuner v1 sampler",
    "xtuner v1 sampler, round_up=False",
    "whole global batches",
}
"""Rules that were read in the sources, and cannot be run here."""


def older(name: str) -> Path | None:
    """The folder of `NAME-VERSION`."""
    folder = Path(os.environ.get("TRAINQC_OLDER_PRODUCERS", "")) / name
    return folder if folder.is_dir() else None


def counted(program: str, who: str, *modules: str) -> list[dict[str, Any]]:
    """What a program of the folder beside this file counted; skipped where a module of it is not installed."""
    name, _, version = who.partition("-")
    folder = older(who) if version else None
    missing = [module for module in dict.fromkeys(modules) if importlib.util.find_spec(module) is None]
    if version and folder is None:
        missing.append(who)
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    command = [sys.executable, str(PROGRAMS / program), "huggingface" if name == "transformers" else name]
    if name == "xtuner":
        spec = importlib.util.find_spec("xtuner")
        found = [folder / "xtuner"] if folder else [Path(spec.origin).parent] if spec and spec.origin else []
        if not found:
            pytest.skip("not installed here: xtuner")
        command.append(str(found[0]))
    paths = [str(folder)] if folder else []
    env = {**os.environ, **OFFLINE, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def told(rows: list[str]) -> None:
    assert not rows, f"{len(rows)} cases, the first: " + "; ".join(rows[:3])


def drawn_wrongly(rule: Sampler, row: Mapping[str, Any]) -> str | None:
    n, b, w, a, drop = (row[name] for name in ("N", "B", "W", "A", "drop"))
    wanted = (rule.per_rank(n, b, w, b * a), rule.iters(n, b, w, b * a, drop), rule.drawn(n, b, w, b * a, drop))
    seen = (row["n"][0], row["I"][0], row["drawn"])
    if rule.dropping and drop:  # the loader drops before it deals: what is left is counted in batches
        wanted, seen = wanted[1:], seen[1:]
    return None if seen == wanted else f"{row}: the rule says n, I, drawn = {wanted}"


@pytest.mark.parametrize("who", LOADERS)
def test_samplers(who: str) -> None:
    """n, the batches that the loader really gave, and the samples of all ranks, over 640 cases of N, B, W and drop and
    more of A."""
    rows = counted("loaders.py", who, "torch", *(["mmengine"] if "xtuner" in who else [] if "-" in who else [who]))
    assert {row["sampler"] for row in rows} == set(LOADERS[who])
    told([wrong for row in rows if (wrong := drawn_wrongly(SAMPLER[row["sampler"]], row))])
    for row in rows:
        rule = SAMPLER[row["sampler"]]
        assert row["told"] == row["I"] or who == "accelerate", row
        if rule.name != "DefaultSampler, round_up=False":
            assert len(set(row["n"])) == len(set(row["I"])) == 1, row  # every rank counts alike


def stepped_wrongly(rule: Updates, row: Mapping[str, Any]) -> str | None:
    """Before 4.52 transformers plans an update in an epoch that is shorter than a window, and may apply none. The last
    epoch of a run may hold one update more than the others: the last window that is flushed."""
    i, a, e = row["I"], row["A"], row["E"]
    wanted = rule.run(i * e, i, a)
    unplanned = rule.name in ("transformers ≤ 4.46", "transformers 4.47–4.51")
    if row.get("planned", wanted) != wanted:
        return f"{row}: the rule plans {wanted}"
    if row["U"] > wanted or (row["U"] < wanted and not (unplanned and i < a)):
        return f"{row}: the rule says {wanted} updates"
    few, many = rule.epoch[0](i, a), rule.epoch[1](i, a)
    if not unplanned and not all(few <= updates <= many for updates in row["per_epoch"][:-1]):
        return f"{row}: the rule says {few} to {many} an epoch"
    return None


@pytest.mark.parametrize("who", WINDOWS)
def test_updates(who: str) -> None:
    """Updates in all and by epoch, over a grid of I, A and E; the producer's own counter and the way that the weight
    went tell the same."""
    module, _, version = who.partition("-")
    needed = {"keras": ("keras", "jax"), "huggingface": ("transformers", "torch")}.get(who, ("torch", module))
    rows = counted("updates.py", who, *(("torch",) if version else needed))
    rule = UPDATE[WINDOWS[who]]
    told([wrong for row in rows if (wrong := stepped_wrongly(rule, row))])
    for row in rows:
        assert row.get("told", row["U"]) == row["U"], row
        assert row.get("moved", row["U"]) == pytest.approx(row["U"]), row
        if who in STEPS:
            assert row["I"] == SAMPLER[STEPS[who]].iters(row["N"], row["B"], 1, row["B"], False)
            assert row["T"] == row["I"] * row["E"]
    if who in FAMILIES:
        assert (rows[0]["planned"], round(rows[0]["ended"], 2)) == FAMILIES[who]


def test_each_rule_is_run_or_known_to_be_unseen() -> None:
    seen = {name for names in LOADERS.values() for name in names} | {*WINDOWS.values(), *STEPS.values()}
    assert seen | UNSEEN == set(SAMPLER) | set(UPDATE)
    assert not seen & UNSEEN


def test_real_ranks(tmp_path: Path) -> None:
    """Two processes in one gloo group count as the ranks that are simulated above: batches and samples of an epoch, and
    updates of three epochs with eight batches to an update."""
    modules = {name: name for name in ("mmengine", "accelerate", "lightning")} | {"huggingface": "transformers"}
    who = [name for name, module in modules.items() if importlib.util.find_spec(module)]
    if not who or importlib.util.find_spec("torch") is None:
        pytest.skip("torch with mmengine, accelerate, lightning or transformers is not installed here")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, str(PROGRAMS / "ranks.py"), str(tmp_path), *who]
    env = {**os.environ, **OFFLINE, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text("utf-8")) for rank in (0, 1)]
    sampler = {"mmengine": "DefaultSampler", "lightning": "DistributedSampler"}
    for first, second in zip(*ranks, strict=True):
        n, producer = first["N"], first["who"]
        rule = SAMPLER[sampler.get(producer, "Trainer's sampler")]
        seen = [*first["seen"], *second["seen"]]
        assert first["I"] == second["I"] == rule.iters(n, 4, 2, 32, False), first
        assert (len(seen), len(set(seen))) == (rule.drawn(n, 4, 2, 32, False), n)
        if "U" in first:
            wanted = UPDATE[WINDOWS[producer]].run(first["I"] * 3, first["I"], 8)
            assert first["U"] == second["U"] == first.get("planned", wanted) == wanted
