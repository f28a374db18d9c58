"""Asking the demo's assistant: a program of its own for each question, traced into its tenant.

Rule: spans leave it as they end, so that a trace is on screen while its answer is still coming.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

ASSISTANT = Path(__file__).parents[1] / "assistant"
ANSWER_TIMEOUT_S = 180.0
QUESTIONS_AT_ONCE = 2
_PASSED_ON = ("PATH", "HOME", "OPENAI_BASE_URL", "OPENAI_MODEL", "OPENAI_API_KEY")

Ask = Callable[[str, str, str], Awaitable[str]]
"""(tenant, person's subject, question) to the answer."""


def asking(endpoint: str, keys: Mapping[str, str]) -> Ask:
    """`endpoint` is Roost's base URL, `keys` are ingest keys by tenant."""
    places = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def ask(tenant: str, subject: str, question: str) -> str:
        if tenant not in keys:
            return "The demo is still being filled; ask again in a moment."
        own = {"PHOENIX_COLLECTOR_ENDPOINT": endpoint, "PHOENIX_API_KEY": keys[tenant]}
        async with places, asyncio.timeout(ANSWER_TIMEOUT_S):
            return await _answer(own, subject, question)

    return ask


async def _answer(own: Mapping[str, str], subject: str, question: str) -> str:
    plain = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "assistant", "--user", subject, "--ask", question),
        cwd=ASSISTANT,
        env={**plain, **own, "OTEL_BSP_SCHEDULE_DELAY": "100"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaint = await program.communicate()
    finally:
        if program.returncode is None:
            program.kill()
    return (said if program.returncode == 0 else complaint).decode(errors="replace").strip()
