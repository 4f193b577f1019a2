"""The client of a language model, against a real server on this machine that fails as it is told to."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from endpoint_server import Server, serving

from mr1.endpoint.cache import file_of
from mr1.endpoint.client import COUNTS, GIVE_UP, Client, Question
from mr1.endpoint.settings import KEY, Endpoint
from mr1.errors import MissingPackageError, UserError

Numbers = tuple[float, ...]
SECRET = "sk-nobody-may-see-this"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("mr1.endpoint.client.FIRST_PAUSE", 0.001)
    monkeypatch.setenv(KEY, SECRET)
    with serving() as made:
        yield made


def client(server: Server, **settings: Any) -> Client:
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    return Client(Endpoint(base_url=address, model="m", **settings))


def number(reply: str) -> Numbers | None:
    return (float(reply),) if reply.isdigit() else None


def questions(count: int) -> list[Question[Numbers]]:
    return [Question("say a number", str(each), number) for each in range(count)]


def counts(made: Client) -> list[int]:
    counted = made.take_counts()
    assert [*counted] == [*COUNTS]
    return [*counted.values()]


def in_order(*said: Any) -> Callable[[dict[str, Any]], Any]:
    left = iter(said)
    return lambda _: next(left)


def test_what_may_pass_is_asked_again(server: Server) -> None:
    fails: list[Any] = ["hang up", (500, {}, 0), "no JSON", "no reply", "a list", (408, {}, 0), (200, {}, 1.5), "drip"]
    server.script = in_order(*fails, (429, {"Retry-After": "0.3"}, 0), (503, {"Retry-After": "Tue"}, 0), "5")
    made, start = client(server, timeout=0.5, retries=10), time.perf_counter()
    assert made.ask(questions(1)) == [(5.0,)]
    assert counts(made) == [11, 10, 0, 0]
    # The two that took too long, and the pause that was asked for.
    assert 1.3 < time.perf_counter() - start < 30
    assert server.asked[0] == {
        "model": "m",
        "messages": [{"role": "system", "content": "say a number"}, {"role": "user", "content": "0"}],
        "temperature": 0.0,
        "max_tokens": 512,
    }
    assert server.keys == {f"Bearer {SECRET}"}


def test_pauses_double_and_differ() -> None:
    """Between half of 0.5, 1, 2, ... seconds and the whole, up to a minute: clients that failed together come apart."""
    made = Client(Endpoint(base_url="http://localhost:1/v1", model="m"))
    for attempt in range(12):
        longest = min(0.5 * 2**attempt, 60.0)
        pauses = {made._pause(attempt) for _ in range(100)}
        assert all(longest / 2 <= pause <= longest for pause in pauses)
        assert max(pauses) - min(pauses) > 0.3 * longest


def test_what_fails_is_counted_and_nobodys_score(server: Server) -> None:
    said: dict[str, Any] = {"0": "5", "1": (500, {}, 0), "2": "seven", "3": (400, {}, 0), "4": "8"}
    server.script = lambda body: said[body["messages"][1]["content"]]
    made = client(server, retries=2, concurrency=1)
    assert made.ask(questions(5)) == [(5.0,), None, None, None, (8.0,)]
    # The first failure was tried three times; a reply that can't be read, or a request that is wrong, only once.
    assert counts(made) == [7, 2, 3, 0]
    assert counts(made) == [0, 0, 0, 0]


def test_too_many_failures_in_a_row_end_it(server: Server) -> None:
    server.script = lambda body: "many" if int(body["messages"][1]["content"]) >= 3 else "1"
    made = client(server, concurrency=4)
    with pytest.raises(UserError, match=r"^endpoint: 10 questions to m at .* failed one after another.*read: 'many'$"):
        made.ask(questions(60))
    # Those that were under way, and those that took their place before the others were let go of.
    assert len(server.asked) <= 3 + GIVE_UP + 2 * 4
    # What is answered between them begins the count anew.
    server.script = lambda body: "many" if int(body["messages"][1]["content"]) % 5 else "1"
    made = client(server, concurrency=1)
    assert made.ask(questions(30)).count(None) == 24


@pytest.mark.parametrize(
    ("status", "line"), [(401, "endpoint.base_url: .* refuses the key"), (404, "endpoint.model: .* no model 'm'")]
)
def test_what_cant_pass_ends_it_at_once_and_the_key_is_never_said(
    server: Server, status: int, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.script = lambda _: (status, {}, 0)
    with caplog.at_level(logging.DEBUG), pytest.raises(UserError, match=line) as raised:
        client(server).ask(questions(1))
    assert len(server.asked) == 1
    assert "***" in str(raised.value)
    assert SECRET not in str(raised.value) + caplog.text


def test_so_many_are_under_way_and_no_more(server: Server) -> None:
    server.script = lambda _: (200, {}, 0.02)
    made = client(server, concurrency=3)
    assert made.ask(questions(12)) == [(7.0,)] * 12
    assert server.most == 3


def test_equal_words_are_sent_once_and_each_reads_for_itself(server: Server) -> None:
    twice = Question("say a number", "0", lambda reply: (2 * float(reply),))
    made = client(server)
    assert made.ask([*questions(2), *questions(2), twice]) == [(7.0,)] * 4 + [(14.0,)]
    assert counts(made) == [2, 0, 0, 3]
    assert made.ask([]) == []


def test_replies_are_kept_by_their_content(server: Server, tmp_path: Path) -> None:
    kept = str(tmp_path / "kept")
    said = {"0": "5", "1": "seven"}
    server.script = lambda body: said[body["messages"][1]["content"]]
    assert client(server, cache=kept).ask(questions(2)) == [(5.0,), None]
    again = client(server, cache=kept)
    # The one that can't be read is asked again.
    assert again.ask(questions(2)) == [(5.0,), None]
    assert counts(again) == [1, 0, 1, 1]
    (file,) = Path(kept).rglob("*.*")
    assert SECRET not in file.read_text()
    for damaged in ("{", "[]", file.read_text().replace('"m"', '"other"')):
        file.write_text(damaged)
        made = client(server, cache=kept)
        assert made.ask(questions(1)) == [(5.0,)]
        assert counts(made) == [1, 0, 0, 0]
    address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    other = Client(Endpoint(base_url=address, model="another", cache=kept))
    assert (other.ask(questions(1)), counts(other)) == ([(5.0,)], [1, 0, 0, 0])


def test_a_reply_may_be_any_value_of_a_picture_too_and_is_kept_without_it(server: Server, tmp_path: Path) -> None:
    pictures = ("data:image/png;base64,AAAA", "data:image/png;base64,BBBB")
    asked: list[Question[list[str]]] = [Question("look", "What is it?", str.split, (each,)) for each in pictures]
    server.script = lambda body: f"a {body['messages'][1]['content'][0]['image_url']['url'][-4:]}"
    made = client(server, cache=str(tmp_path))
    assert made.ask(asked) == [["a", "AAAA"], ["a", "BBBB"]]
    words = {"type": "text", "text": "What is it?"}
    said = [body["messages"][1]["content"] for body in server.asked]
    assert all([{"type": "image_url", "image_url": {"url": each}}, words] in said for each in pictures)
    kept = file_of(tmp_path, made.key(asked[0])).read_text()
    assert "AAAA" not in kept.replace("a AAAA", "")
    again = client(server, cache=str(tmp_path))
    assert again.ask(asked) == [["a", "AAAA"], ["a", "BBBB"]]
    assert counts(again) == [0, 0, 0, 2]


def test_several_servers_have_names_parameters_and_keys_of_their_own(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{KEY}_WRITER", "sk-the-writers")
    settings = Endpoint(base_url=f"http://127.0.0.1:{server.server_address[1]}/v1", model="m")
    writer = Client(settings, name="writer", parameters={"temperature": 0.6})
    vlm = Client(settings, name="vlm")
    assert [*vlm.ask(questions(1)), *writer.ask(questions(1))] == [(7.0,), (7.0,)]
    assert server.keys == {f"Bearer {SECRET}", "Bearer sk-the-writers"}
    assert ("max_tokens" in server.asked[1], server.asked[1]["temperature"]) == (False, 0.6)
    server.script = lambda _: (401, {}, 0)
    with pytest.raises(UserError, match=r"^writer.base_url: .* the key that MR1_ENDPOINT_KEY_WRITER holds") as raised:
        writer.ask(questions(1))
    assert "sk-the-writers" not in str(raised.value)


def test_a_cache_that_cant_be_written_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"endpoint.cache: .*file can't be written"):
        client(server, cache=str(tmp_path / "file")).ask(questions(1))


def test_a_program_whose_loop_runs_may_ask(server: Server) -> None:
    async def notebook() -> list[Numbers | None]:
        return client(server).ask(questions(1))

    assert asyncio.run(notebook()) == [(7.0,)]


def test_where_nothing_answers_it_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client(server).check()
    assert [*server.keys] == [f"Bearer {SECRET}"]
    with pytest.raises(UserError, match=r"^endpoint.base_url: nothing answers at http://127.0.0.1:1/v1: .*onnection"):
        Client(Endpoint(base_url="http://127.0.0.1:1/v1", model="m", retries=1)).check()
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'mr1\[endpoint\]'"):
        client(server)


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://a/b", "http://", "the server"])
def test_an_address_is_one(address: str) -> None:
    with pytest.raises(ValueError, match="it should be an address"):
        Endpoint(base_url=address)
