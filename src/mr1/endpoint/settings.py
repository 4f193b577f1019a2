"""Which server is asked, and how."""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from mr1.data.settings import MOST, Location, Settings, Text


def _address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it should be an address, such as http://localhost:8000/v1")
    return url


class Endpoint(Settings):
    """A language model that the rewards `judge-*` ask, behind a server with OpenAI's API. The key, where it wants one,
    is the environment's `MR1_ENDPOINT_KEY`."""

    base_url: Annotated[Text, AfterValidator(_address)] | None = None
    """Such as `http://localhost:8000/v1`; null for none."""
    model: Text | None = None
    """The model's name there."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 32
    """Questions that are under way at once, at most."""
    timeout: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """Seconds for a reply."""
    retries: Annotated[int, Field(ge=0, le=MOST)] = 5
    """How often a question that got no reply is asked again."""
    cache: Annotated[Location, AfterValidator(os.path.expanduser)] | None = None
    """A folder in which replies are kept, by model, prompt and parameters; null to keep none."""
    facts: Text = "facts"
    """The column that holds a row's facts, for `judge-facts`; procedural tasks know theirs."""
