"""Coroutines from code that is none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def finished(result: Awaitable[Result]) -> Result:
    """What is awaited; in a thread of its own where this one has a loop that runs, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_awaited(result))
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, _awaited(result)).result()


async def _awaited(result: Awaitable[Result]) -> Result:
    return await result
