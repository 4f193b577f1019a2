"""Fixtures that the suites share."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

# Before torch is imported: the suite runs beside nothing else, and a known number of threads keeps runs comparable. Of
# several processes of tests each has one thread, whatever it inherits from the one that started it: more of them than
# there are cores wait for each other and make everything five times as slow.
os.environ.setdefault("OMP_NUM_THREADS", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from mr1.config import Config
    from mr1.models.vlm import VLM
    from mr1.types import Group, Prompt

# Nothing is imported from this folder itself, and TRL would take its folder vllm for the package of that name.
sys.path[:] = [place for place in sys.path if Path(place) != Path(__file__).parent]

# For runs under a fault: the same examples for each, and none is made shorter or kept for the next.
settings.register_profile(
    "faults", derandomize=True, database=None, deadline=None, phases=(Phase.explicit, Phase.generate)
)

collect_ignore_glob = [] if "MR1_VLLM" in os.environ else ["vllm/*"]
"""What needs vLLM's environment; `make test-vllm` says where that is."""

MEASURED = pytest.StashKey[list[str]]()
"""Lines that are printed at the end of the output."""

TEXTS = [
    "<think>1 red</think><answer>1</answer>",
    "<think>1 red, 2 blue, 3 gray</think><answer>3</answer>",
    "no",
    "<think>none</think><answer>0</answer>",
]
"""Completions of unequal lengths."""


SHORT: dict[str, object] = {
    "kl__weight": 0.05,
    "kl__minimum": "null",
    "kl__maximum": "null",
    "kl__exploration": "null",
    "prompts_per_step": 2,
    "rollout__group_size": 3,
    "evaluation__every": 0,
    "evaluation__final_samples": 0,
}
"""For `make_config`: a run of two small groups at a step under a constant weight, without evaluations."""


class SmallDisk:
    """A disk of its own that can be filled: a small tmpfs, or where none may be mounted a limit on files' sizes."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", str(path)]
        self.path, self.limit = path, resource.getrlimit(resource.RLIMIT_FSIZE)
        self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self.full = "No space left on device" if self.mounted else "File too large"

    def fill(self, free: int) -> None:
        """Leave so many bytes; of the limit, allow no larger file."""
        if self.mounted:
            there = os.statvfs(self.path)
            (self.path / "filler").write_bytes(bytes(max(0, there.f_bavail * there.f_frsize - free)))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (free, self.limit[1]))

    def empty(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limit)

    def close(self) -> None:
        """Take the disk away; files that are still mapped into memory live on."""
        self.empty()
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The cheap tests first: most faults are found within seconds."""
    items.sort(key=lambda item: "loop" in item.keywords)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if lines := terminalreporter.config.stash.get(MEASURED, []):
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def tiny() -> VLM:
    """The bundled model. Tests that change it must copy it."""
    from mr1.models import load_vlm

    return load_vlm("tiny")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk that can be filled."""
    disk = SmallDisk(tmp_path / "disk")
    yield disk
    disk.close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data files that are not part of this repository; what needs them is skipped where they are absent."""
    folder = Path(os.environ.get("MR1_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data files are not at hand in {folder}; MR1_SHARED_DATA tells where they are")
    return folder


@pytest.fixture
def make_prompt(tiny: VLM) -> Callable[..., Prompt]:
    """Prompts of a task's training split by index."""
    from mr1.config import PROMPT
    from mr1.tasks import load_task

    def make(index: int = 0, task: str = "counting") -> Prompt:
        return tiny.prompt(load_task(task).sample("train", 0, index), PROMPT)

    return make


@pytest.fixture
def make_groups(tiny: VLM, make_prompt: Callable[..., Prompt]) -> Callable[[int], list[Group]]:
    """Groups whose prompts, numbers of completions and lengths all differ."""
    from mr1.types import Group

    def make(count: int) -> list[Group]:
        groups = []
        for index in range(count):
            texts = TEXTS[: len(TEXTS) - index % 2]
            prompt = make_prompt(index, ("counting", "geometry")[index % 2])
            groups.append(Group(prompt, [tiny.written(text) for text in texts]))
        return groups

    return make


@pytest.fixture
def make_config(tmp_path: Path) -> Callable[..., Config]:
    """A short GRPO-D run on the bundled model; keyword arguments are put over it, `__` for nested keys."""
    from mr1.config import load_config

    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "name: run\nmethod: grpo-d\ntask: counting\nsteps: 3\nprompts_per_step: 3\n"
        "rollout: {group_size: 4, max_new_tokens: 48}\n"
        "kl: {minimum: 0.02, maximum: 0.1, exploration: 0.3}\n"
        "optimizer: {learning_rate: 5.0e-5}\n"
        "evaluation: {every: 2, samples: 4, final_samples: 4}\n"
    )

    def make(**settings: object) -> Config:
        settings = {"output": tmp_path / "runs", **settings}
        return load_config(recipe, [f"{key.replace('__', '.')}={value}" for key, value in settings.items()])

    return make


@pytest.fixture(scope="session")
def build_family() -> Callable[[str, Path], None]:
    """Writes a small random model of a family; the test is skipped where a package that the family needs is missing."""
    from mr1.errors import MissingPackageError
    from mr1.models.small import build_small

    def build(family: str, folder: Path) -> None:
        try:
            build_small(family, folder)
        except MissingPackageError as error:
            pytest.skip(str(error))

    return build
