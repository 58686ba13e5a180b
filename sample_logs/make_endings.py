"""Makes `endings/*.log`: a script that fails in the middle of training, and one that is killed; Python and bash speak.

usage: python make_endings.py   (needs bash)
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TRAIN = """
import os, signal, sys
def load(name):
    return open(name).read()
for step in range(10, 41, 10):
    print(f"Epoch [1/5], Step [{step}/50], Loss: {1 / step:.4f}")
if sys.argv[1] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
load("missing.pt")
"""


def main() -> None:
    folder = HERE / "endings"
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(TRAIN, "utf-8")
    (folder / "job.sh").write_text("python train.py $1\necho job done\n", "utf-8")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    for end in ("traceback", "killed"):
        done = subprocess.run(
            ["bash", "job.sh", end],
            cwd=folder,
            env={"PATH": path, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        (folder / f"{end}.log").write_bytes(done.stdout.replace(f"{folder}/".encode(), b""))
    (folder / "train.py").unlink()
    (folder / "job.sh").unlink()


if __name__ == "__main__":
    main()
