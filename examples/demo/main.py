"""Run the demo's host with Roost mounted in it. `roost demo` starts it with AUTH_SECRET set."""

import argparse
import os

import uvicorn
from examples.demo.host import create_app

from roost import Roost


def main() -> None:
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--port", type=int, default=8421)
    port = parser.parse_args().port
    # Roost reads the same secret from its own settings: nextauth_secrets = ["env:AUTH_SECRET"].
    app = create_app(Roost(), os.environ["AUTH_SECRET"])
    uvicorn.run(app, host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
