"""A whole Roost for tests: keeper, zygote, cells and gateway as processes, as `roost up` runs them.

Ann is of acme, Bob of globex; sessions are Auth.js cookies under a secret that Roost shares.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import httpx
from examples.demo.session import COOKIE, Sessions
from tests.cells.stock_phoenix import free_port, require, until

NEXT_SECRET = "a-secret-of-the-host-app-0123456789abcdef"
"""What the Next.js example is run with; as if the host had rotated its secret."""
AUTH_SECRET = "tests-share-this-secret-0123456789abcdef"
BASE = "/api/phoenix"
CELL_START_S = 120.0
STOP_S = 60.0
SETTINGS: Mapping[str, str] = {
    "ROOST_NEXTAUTH_SECRETS": f"{AUTH_SECRET},{NEXT_SECRET}",
    "ROOST_TENANT_CLAIM": "tenant",
    "ROOST_ROLE_CLAIM": "role",
}


@dataclass(slots=True)
class Installation:
    """`settings` are ROOST_* for every process. `url` is the origin, `base` Roost's own URL."""

    data_dir: Path
    port: int
    settings: Mapping[str, str]
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return self.url + BASE

    @property
    def log(self) -> str:
        """What `roost up`, the keeper and the zygote printed: for failures."""
        names = ("up.log", "keeper.log", "zygote.log")
        files = [self.data_dir / name for name in names]
        return "\n".join(file.read_text(errors="replace") for file in files if file.exists())

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    def environment(self) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.startswith("ROOST_")}
        own = {"ROOST_DATA_DIR": str(self.data_dir), "ROOST_PORT": str(self.port)}
        return {**plain, **SETTINGS, **self.settings, **own}

    def start(self) -> None:
        """`roost up`, until the gateway answers."""
        self.launch()
        until(self._answers, "Roost was up", CELL_START_S)

    def launch(self) -> None:
        """`roost up`, without waiting for it."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with (self.data_dir / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "roost.cli", "up"],
                env=self.environment(),
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(STOP_S)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the CLI, whatever comes of it."""
        return subprocess.run(
            [sys.executable, "-m", "roost.cli", *arguments],
            env=self.environment(),
            cwd=self.data_dir,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def cli(self, *arguments: str) -> str:
        """What a command of the CLI prints; AssertionError where it fails."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"roost {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def tenant(self, slug: str) -> None:
        self.cli("tenants", "create", slug)

    def key(self, tenant: str, *scopes: str, options: tuple[str, ...] = ()) -> str:
        wanted = [word for scope in scopes for word in ("--scope", scope)]
        text = self.cli("keys", "create", "--tenant", tenant, *wanted, *options, "--json")
        return str(json.loads(text)["key"])

    def cells(self) -> dict[str, dict[str, object]]:
        """The rows of `roost cells status` by tenant."""
        rows = json.loads(self.cli("cells", "status", "--json"))
        return {row["tenant"]: row for row in rows}

    def cookie(self, name: str, tenant: str, role: str = "admin") -> dict[str, str]:
        """The session cookie of that person, as the host app sets it."""
        claims = {
            "sub": f"user-{name.lower()}",
            "name": name,
            "email": f"{name.lower()}@{tenant}.example",
            "tenant": tenant,
            "role": role,
        }
        return {COOKIE: Sessions(AUTH_SECRET).mint(claims, int(time.time()))}

    def client(self, proof: str | Mapping[str, str] = "") -> httpx.Client:
        """A client at Roost's base URL with a key, with cookies, or with nothing."""
        headers = {"authorization": f"Bearer {proof}"} if isinstance(proof, str) and proof else {}
        cookies = {} if isinstance(proof, str) else dict(proof)
        if cookies:
            headers["sec-fetch-site"] = "same-origin"
        timeout = httpx.Timeout(90.0)
        return httpx.Client(base_url=self.base, headers=headers, cookies=cookies, timeout=timeout)

    def _answers(self) -> bool:
        assert self.process.poll() is None, f"roost up ended: {self.log}"
        try:
            return httpx.get(f"{self.base}/healthz").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def installation(
    data_dir: Path, settings: Mapping[str, str] | None = None
) -> Iterator[Installation]:
    """Started, and stopped at the end."""
    require(find_spec("phoenix"), "Phoenix")
    one = Installation(data_dir, free_port(), settings or {})
    one.start()
    try:
        yield one
    finally:
        one.stop()
