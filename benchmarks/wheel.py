"""The wheel as a user has it: `python -m benchmarks.wheel` (`make wheel`) builds it, installs it, and uses it.

It is installed into an environment of its own, in which the packages that MR1 depends on are those of this one, but
nothing of the repository can be imported, and is used from a folder outside: from the shell and from Python. Each
command is printed with what it says; the first that fails ends it all with exit code 1.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHORT = "steps=2 prompts_per_step=2 rollout.group_size=2 rollout.max_new_tokens=16 evaluation.final_samples=4"
SCRIPT = """\
import datasets
import mr1

rows = [{"question": f"What is {n} plus 1?", "answer": n + 1} for n in range(20)]


def brief(completions: list[str], **_: object) -> list[float]:
    return [float(len(text) < 60) for text in completions]


settings = {"name": "rows", "steps": 2, "prompts_per_step": 2, "rollout.group_size": 2, "rollout.max_new_tokens": 16}
settings |= {"sources.data.held_out": 0.2, "evaluation.every": 0, "evaluation.final_samples": 4}
run = mr1.train("counting-grpo-d", settings, data=rows, rewards=["accuracy", brief], quiet=True)
print(run)
print(run.metrics[["loss", "reward/total"]])
print(mr1.evaluate(run, ["counting"], data=datasets.Dataset.from_list(rows), samples=4, quiet=True).figures)
try:
    mr1.train("counting-grpod")
except mr1.UserError as error:
    print("refused:", error)
"""
COMMANDS = [
    "mr1 --version",
    "mr1 recipes",
    f"mr1 train counting-grpo-d {SHORT} evaluation.every=0",
    "mr1 estimate counting-grpo-d --memory 24GB",
    "mr1 data example own-data",
    "mr1 data check own-jsonl",
    f"mr1 train trl-style {SHORT}",
    "mr1 eval runs/trl-style/checkpoints/step-000002 --data own-jsonl --samples 4",
    "mr1 recipes copy counting-lora mine.yaml",
    "python rows.py",
]


def build(folder: Path, kind: str = "wheel") -> Path:
    """Build the wheel, or the `sdist`; its path."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder], cwd=ROOT, check=True)
    (built,) = (path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))
    return built


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment that has this one's other packages; the folder of its commands."""
    venv.create(folder, with_pip=False)
    site = next(folder.glob("lib/python*/site-packages"))
    others = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    # What a path in a .pth file holds by way of .pth files of its own, such as MR1's editable install, doesn't count.
    (site / "others.pth").write_text("".join(f"{path}\n" for path in others))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", wheel], check=True)
    return folder / "bin"


def use(commands: Path, folder: Path) -> None:
    """Run every command in a folder, with nothing but an environment's commands in reach."""
    (folder / "rows.py").write_text(SCRIPT)
    environment = {"PATH": f"{commands}:/usr/bin:/bin", "HOME": str(folder), "HF_HUB_OFFLINE": "1", "COLUMNS": "120"}
    where = "import mr1; print(mr1.__file__)"
    found = subprocess.run(
        [commands / "python", "-c", where], cwd=folder, env=environment, capture_output=True, text=True
    )
    if commands.parent not in Path(found.stdout.strip()).parents:
        raise SystemExit(f"mr1 is not the wheel's, but {found.stdout}{found.stderr}")
    for command in COMMANDS:
        print(f"$ {command}", flush=True)
        if subprocess.run(shlex.split(command), cwd=folder, env=environment, check=False).returncode:
            raise SystemExit(f"failed: {command}")


def main() -> None:
    """The command."""
    with tempfile.TemporaryDirectory(prefix="mr1-wheel-") as folder:
        wheel = build(Path(folder) / "dist")
        commands = install(wheel, Path(folder) / "environment")
        (Path(folder) / "work").mkdir()
        use(commands, Path(folder) / "work")


if __name__ == "__main__":
    main()
