"""Record the demo's traces: real questions to the real assistant, with a real model.

Rule: what is written is what OpenTelemetry's exporter wrote; only folders are cut from the file
names in stack traces. Run it in the assistant's environment with the extra `record`, with
OPENAI_BASE_URL and OPENAI_MODEL set; see traces/README.md for how it was last run.
"""

import argparse
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

HERE = Path(__file__).parent
ASSISTANT = HERE.parent / "assistant"
FOLDERS = re.compile(r'File \\"[^"\\]*/')
"""As JSON writes it, inside a string."""


class Talk(TypedDict):
    user: str
    questions: list[str]


def record(talk: Talk, docs: Path, to: Path) -> None:
    asks = [part for question in talk["questions"] for part in ("--ask", question)]
    who = ["--user", talk["user"], "--session", str(uuid.uuid4())]
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "assistant", "--docs", docs, "--record", to, *who, *asks],
        cwd=ASSISTANT,
        check=True,
    )


def record_all(talks: Sequence[Talk], docs: Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder) / "traces.jsonl"
        for talk in talks:
            record(talk, docs, to)
        return FOLDERS.sub(r'File \\"', to.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="record")
    parser.add_argument("--docs", type=Path, required=True, help="has README.md and docs/")
    docs = parser.parse_args().docs.resolve()
    if not os.environ.get("OPENAI_BASE_URL"):
        sys.exit("Set OPENAI_BASE_URL: the demo's traces are of a real model")
    tenants: Mapping[str, list[Talk]] = json.loads((HERE / "conversations.json").read_text())
    for tenant, talks in tenants.items():
        written = record_all(talks, docs).encode()
        (HERE / "traces" / f"{tenant}.jsonl.gz").write_bytes(gzip.compress(written, mtime=0))


if __name__ == "__main__":
    main()
