"""Makes `stated/slurm-481205.log`: what a shell (`set -x`), argparse and plain prints say of a run that never begins.

usage: python make_stated.py   (needs bash)
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TRAIN = """
import argparse
parser = argparse.ArgumentParser()
for name in ("batch_size", "devices", "max_epochs"):
    parser.add_argument("--" + name, type=int)
parser.add_argument("--lr", type=float, default=0.001)
args = parser.parse_args()
print(args)
print("训练样本数: 5000")
print("批次大小：4")
print("DataLoader 长度: 1250")
print("Validation batches: 156")
print("Set to train: the batch size was found by trying 32, 16 and 8 in turn.")
print(f"Total batch size: {args.batch_size * args.devices}")
raise SystemExit("nothing to train")
"""
SHELL = """
set -x
export SLURM_JOB_ID=481205 OMP_NUM_THREADS=1
python train.py --batch_size 4 --devices 2 --max_epochs 10
"""


def main() -> None:
    folder = HERE / "stated"
    folder.mkdir(exist_ok=True)
    script = folder / "train.py"
    script.write_text(TRAIN, "utf-8")
    shell = SHELL.strip()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=folder,
        env={"PATH": path, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    script.unlink()
    (folder / "slurm-481205.log").write_bytes(done.stdout)


if __name__ == "__main__":
    main()
