"""Which server is asked, and how."""

from __future__ import annotations

import os
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from mr1.data.settings import MOST, Location, Settings, Text
from mr1.errors import UserError

KEY = "MR1_ENDPOINT_KEY"
"""The environment's variable that holds the key, where the server asks for one."""


def address(url: str) -> str:
    """An address as it was given. Raises ValueError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it should be an address, such as http://localhost:8000/v1")
    return url


def check_address(key: str, url: str) -> None:
    """Raise UserError, naming what holds it, where an address is none or holds a secret; that is not shown."""
    if set(url) & set("@?#"):
        raise UserError(f"{key}: an address may hold no name, password or query, for it is written down")
    try:
        address(url)
    except ValueError as error:
        raise UserError(f"{key}: {error}") from None


class Server(Settings):
    """A model behind a server with OpenAI's API."""

    base_url: Annotated[Text, AfterValidator(address)] | None = None
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


class Endpoint(Server):
    """A language model that the rewards `judge-*` ask, behind a server with OpenAI's API. The key, where it wants one,
    is the environment's `MR1_ENDPOINT_KEY`."""

    facts: Text = "facts"
    """The column that holds a row's facts, for `judge-facts`; procedural tasks know theirs."""


def check_server(server: Server, key: str, wanted: str) -> None:
    """Raise UserError where a server that is needed has no address or no model, or its address holds a secret.

    Args:
        server: which.
        key: what it is called in the settings.
        wanted: what it is needed for, for the message; empty where it isn't needed.
    """
    for name in ("base_url", "model"):
        if (wanted or server.base_url or server.model) and getattr(server, name) is None:
            raise UserError(f"{key}.{name}: missing; {wanted or 'an address and a model belong together'}")
    if set(server.base_url or "") & set("@?#"):  # the address itself is not shown: it may hold a password
        raise UserError(
            f"{key}.base_url: it may hold no name, password or query, because it is written down; set the key in "
            f"the environment, as {KEY}"
        )
