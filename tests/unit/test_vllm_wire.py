"""What is said to a vLLM server, and what is read of its answers."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
import torch

from mr1.config import Config
from mr1.models.vlm import VLM
from mr1.rollout.vllm.images import places
from mr1.rollout.vllm.pack import as_tensor, packed, unpacked
from mr1.rollout.vllm.wire import FORBIDDEN, body, choices, completion, likeliest, prompt_logprobs, sampled, scored
from mr1.types import Prompt

MakePrompt = Callable[..., Prompt]


def test_bytes_by_hand() -> None:
    """By the specification: a map of one pair, whose value is a list of nil, true, -2 and a tensor of two bytes."""
    value = {"a": [None, True, -2, torch.tensor([1, 2], dtype=torch.uint8)]}
    tensor = (
        b"\xdd\0\0\0\x03"
        + b"\xdb\0\0\0\x05uint8"
        + b"\xdd\0\0\0\x01\xd3\0\0\0\0\0\0\0\x02"
        + b"\xc9\0\0\0\x02\x03\x01\x02"
    )
    expected = b"\xdf\0\0\0\x01\xdb\0\0\0\x01a\xdd\0\0\0\x04\xc0\xc3\xd3" + b"\xff" * 7 + b"\xfe" + tensor
    assert packed(value) == expected
    assert unpacked(expected)["a"][:3] == [None, True, -2]
    assert as_tensor(unpacked(expected)["a"][3]).tolist() == [1, 2]


def test_short_forms_are_read_too() -> None:
    raw = b"\x82\xa2ab\x93\x01\xff\xcd\x01\x00\xa1c\xc7\x02\x03\x05\x06"
    assert unpacked(raw) == {"ab": [1, -1, 256], "c": b"\x05\x06"}
    for broken in (raw[:9], raw + b"\0", b"\xc1", b""):
        with pytest.raises(ValueError):
            unpacked(broken)


def test_the_pixels_are_the_trainers(tiny: VLM, make_prompt: MakePrompt) -> None:
    prompt = make_prompt()
    said = body(tiny, likeliest(tiny, prompt, 5), "run-3")
    item = unpacked(base64.b64decode(said["features"]["kwargs_data"]["image"][0]))
    torch.testing.assert_close(as_tensor(item["pixel_values"]["data"]), prompt.vision["pixel_values"], rtol=0, atol=0)
    assert as_tensor(item["image_grid_thw"]["data"]).tolist() == prompt.vision["image_grid_thw"][0].tolist()
    rows = len(prompt.vision["pixel_values"])
    assert item["pixel_values"]["field"] == ["flat", {"keep_on_cpu": False, "slices": [[0, rows, None]], "dim": 0}]
    assert said["token_ids"] == prompt.input_ids.tolist()
    (place,) = said["features"]["mm_placeholders"]["image"]
    within = prompt.input_ids[place["offset"] : place["offset"] + place["length"]]
    assert set(within.tolist()) == {tiny.adapter.image_token_id}
    assert int((prompt.input_ids == tiny.adapter.image_token_id).sum()) == place["length"]


def test_what_other_weights_made_is_kept_under_another_name(tiny: VLM, make_prompt: MakePrompt) -> None:
    asked = likeliest(tiny, make_prompt(), 5)
    one, again, other = (body(tiny, asked, version) for version in ("run-3", "run-3", "run-4"))
    hashes = [said["features"]["mm_hashes"]["image"] for said in (one, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert [said["cache_salt"] for said in (one, other)] == ["run-3", "run-4"]
    assert body(tiny, likeliest(tiny, make_prompt(1), 5), "run-3")["features"]["mm_hashes"]["image"] != hashes[0]


def test_two_images_have_their_own_places() -> None:
    """Grids of 4 and 8 patches, of which a token stands for 4: one token and two."""
    ids = torch.tensor([1, 9, 2, 9, 9, 3])
    vision = {"image_grid_thw": torch.tensor([[1, 2, 2], [1, 2, 4]]), "pixel_values": torch.zeros(12, 3)}
    prompt = Prompt(None, "", ids, vision, ids[None], 6)  # type: ignore[arg-type]
    assert places(prompt, 9) == [{"offset": 1, "length": 1}, {"offset": 3, "length": 2}]


def test_forbidden_tokens_stops_and_seeds(
    tiny: VLM, make_prompt: MakePrompt, make_config: Callable[..., Config]
) -> None:
    settings = make_config(rollout__temperature=0.5, rollout__top_p=0.9).rollout
    params = dict(sampled(tiny, make_prompt(), settings, (1, 2)).sampling)
    forbidden = (tiny.token_bias() == -torch.inf).nonzero()[:, 0].tolist()
    assert tiny.adapter.image_token_id in forbidden
    assert params["logit_bias"] == {str(token): FORBIDDEN for token in forbidden}
    assert params["stop_token_ids"] == tiny.stop_tokens()
    assert params["ignore_eos"] is True
    assert (params["n"], params["temperature"], params["top_p"], params["max_tokens"]) == (4, 0.5, 0.9, 48)

    def seed(index: int, key: tuple[int, int]) -> Any:
        return sampled(tiny, make_prompt(index), settings, key).sampling["seed"]

    assert seed(0, (1, 2)) == seed(0, (1, 2))
    assert len({seed(0, (1, 2)), seed(1, (1, 2)), seed(0, (1, 3)), seed(0, (2, 2))}) == 4


def choice(**other: Any) -> dict[str, Any]:
    said = {"index": 0, "token_ids": [7, 8], "finish_reason": "stop", "stop_reason": 2}
    said["logprobs"] = {"content": [{"token_id": 7, "logprob": -0.5}, {"token_id": 8, "logprob": -1.0}]}
    return {**said, "weight_versions": [{"version": "a", "start": 0, "end": 2}], **other}


def test_answers_are_read_in_their_order(tiny: VLM) -> None:
    found = choices({"choices": [choice(index=1, token_ids=[9, 9]), choice()]}, 2)
    assert [each.tokens for each in found] == [[7, 8], [9, 9]]
    assert found[0].versions == {"a"}
    made = completion(tiny, found[0])
    assert (made.finish_reason, made.origin, made.mask.tolist()) == ("stop", "engine", [True, True])
    assert made.logprobs is not None
    assert made.logprobs.tolist() == [-0.5, -1.0]
    reasons = [completion(tiny, choices({"choices": [choice(**other)]}, 1)[0]).finish_reason for other in (
        {"finish_reason": "length", "stop_reason": None}, {"stop_reason": "</a>"}, {"stop_reason": None},
    )]  # fmt: skip
    assert reasons == ["length", "string", "stop"]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"choices": []},
        {"choices": [choice(finish_reason="abort")]},
        {"choices": [choice(token_ids=[])]},
        {"choices": [choice(token_ids=[7])]},
        {"choices": [choice(logprobs=None)]},
        {"choices": [choice(logprobs={"content": [{"logprob": -1.0}, {"logprob": float("nan")}]})]},
    ],
)
def test_what_is_no_finished_completion_is_refused(answer: Any) -> None:
    with pytest.raises(ValueError):
        choices(answer, 1)


def test_scores_of_given_tokens(make_prompt: MakePrompt) -> None:
    prompt, tokens = make_prompt(), torch.tensor([11, 12])
    asked = scored(prompt, tokens)
    assert asked.tokens.tolist() == [*prompt.input_ids.tolist(), 11, 12]
    answer = {"prompt_logprobs": [None, {"5": {"logprob": -9.0}}, {"11": {"logprob": -1.0}}, {"12": {"logprob": -2.0}}]}
    assert prompt_logprobs(answer, [11, 12]).tolist() == [-1.0, -2.0]
    for broken in ({}, {"prompt_logprobs": None}, {"prompt_logprobs": [{"11": {"logprob": -1.0}}]}):
        with pytest.raises(ValueError):
            prompt_logprobs(broken, [11, 12])
