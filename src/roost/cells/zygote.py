"""The one file that runs Phoenix: imports it once, then forks a cell in a moment.

    python -m roost.cells.zygote <control socket> <keeper's pid>     fork on command
    python -m roost.cells.zygote --once <listening socket>           become one cell

Rule 1: standard library and Phoenix only. Rule 2: this process knows no tenant: a cell reads its
job itself, after the fork, so nobody's secret is ever in the memory that all inherit. Rule 3: it
forks only while it has exactly one thread, since a lock held by another would stay locked for ever.
Rule 4: nothing outlives the keeper.

Messages are JSON, one a packet. The keeper sends `{"fork": id}` with three descriptors (the job's
pipe, the listening socket, the log) and `{"kill": pid, "signal": n}`; it gets `{"modules": n}`
while Phoenix is imported, then `{"ready": pid}` or `{"unsafe": why}`, `{"forked": id, "pid": pid}`,
`{"failed": id, "why": text}` and `{"exited": pid, "code": n, "oom": bool}`.
"""

import contextlib
import ctypes
import gc
import importlib
import importlib.machinery
import json
import os
import random
import resource
import selectors
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from roost.cells.job import EXIT_OUT_OF_MEMORY, Job, oom_kills

MAX_MESSAGE_BYTES = 4096
PROGRESS_EVERY_MODULES = 100
PROCESS_NAME = b"roost-cell"
PRELOADED = (
    "anyio._backends._asyncio",
    "boto3",
    "multiprocessing.managers",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
"""What Phoenix imports only when it serves. Here it is imported, and its memory kept, once."""
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


class Zygote:
    """Forks on command. `serve` returns in the child alone, with what it is to become."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._children: dict[int, int] = {}
        self._oom_kills = oom_kills()

    def serve(self) -> tuple[int, socket.socket, int]:
        """Job's pipe, listening socket and log of the cell that this process has become."""
        self._selector.register(self._control, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._control:
                    self._reap(key.data)
                elif (cell := self._obey()) is not None:
                    return cell

    def tell(self, **message: object) -> None:
        self._control.send(json.dumps(message).encode())

    def _obey(self) -> tuple[int, socket.socket, int] | None:
        packet, fds, _, _ = socket.recv_fds(self._control, MAX_MESSAGE_BYTES, 3)
        if not packet:
            os._exit(0)  # the keeper is gone; the cells follow by PDEATHSIG
        message = json.loads(packet)
        if "kill" in message:
            self._kill(message["kill"], message["signal"])
            return None
        return self._fork(message["fork"], fds)

    def _kill(self, pid: int, number: int) -> None:
        """Only a child that is not reaped yet, so that no other process is ever meant."""
        if pid in self._children:
            os.kill(pid, number)

    def _fork(self, ticket: int, fds: Sequence[int]) -> tuple[int, socket.socket, int] | None:
        job, listener, log = fds
        if why := why_unsafe():
            self.tell(failed=ticket, why=why)
        else:
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                self._forget()
                die_with(parent)
                return job, socket.socket(fileno=listener), log
            self._watch(pid)
            self.tell(forked=ticket, pid=pid)
        for fd in fds:
            os.close(fd)
        return None

    def _watch(self, pid: int) -> None:
        self._children[pid] = os.pidfd_open(pid)
        self._selector.register(self._children[pid], selectors.EVENT_READ, pid)

    def _reap(self, pid: int) -> None:
        pidfd = self._children.pop(pid)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        before, self._oom_kills = self._oom_kills, oom_kills()
        code = os.waitstatus_to_exitcode(status)
        self.tell(exited=pid, code=code, oom=self._oom_kills > before)

    def _forget(self) -> None:
        """In the child: what leads to the keeper and to the other cells is closed."""
        self._selector.close()
        self._control.close()
        for pidfd in self._children.values():
            os.close(pidfd)


class Progress:
    """A finder that finds nothing, but is asked for every module: the import's progress."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._modules = 0

    def find_spec(
        self, name: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        self._modules += 1
        if self._modules % PROGRESS_EVERY_MODULES == 0:
            self._zygote.tell(modules=self._modules)
        return None


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["--once", listener]:
            once(socket.socket(fileno=int(listener)))
        case [control, keeper_pid]:
            fork_on_command(socket.socket(fileno=int(control)), int(keeper_pid))
        case _:
            sys.exit(__doc__)


def fork_on_command(control: socket.socket, keeper_pid: int) -> None:
    die_with(keeper_pid)
    zygote = Zygote(control)
    progress = Progress(zygote)
    gc.disable()
    sys.meta_path.insert(0, progress)
    set_by_import = load_phoenix()
    sys.meta_path.remove(progress)
    if why := why_unsafe():
        zygote.tell(unsafe=why)
        return
    gc.collect()
    gc.freeze()
    zygote.tell(ready=os.getpid())
    job, listener, log = zygote.serve()
    redirect_output(log)
    reseed()
    gc.enable()
    with os.fdopen(job, "rb") as pipe:
        become_cell(Job.from_json(pipe.read()), listener, set_by_import)


def once(listener: socket.socket) -> None:
    """The fallback: one process, one import, one cell. Its job is the first line of standard
    input; where that ends, the keeper is gone."""
    job = Job.from_json(sys.stdin.buffer.readline())
    threading.Thread(target=die_at_end_of_input, daemon=True).start()
    os.environ.update(job.environment)
    become_cell(job, listener, load_phoenix())


def become_cell(job: Job, listener: socket.socket, set_by_import: dict[str, str]) -> None:
    """Runs Phoenix until it ends. The listening socket is the keeper's: nobody else can have
    answered on its port, before or after."""
    name_process()
    os.umask(0o077)
    os.chdir(job.working_dir)
    # Private memory (RLIMIT_AS would count the address space of every library and thread).
    resource.setrlimit(resource.RLIMIT_DATA, (job.memory_bytes, job.memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.clear()
    os.environ.update({**set_by_import, **job.environment})
    tempfile.tempdir = None  # asked for once, before the fork
    Path(os.environ["TMPDIR"]).mkdir(exist_ok=True)
    run_phoenix(listener, job.arguments)


def load_phoenix() -> dict[str, str]:
    """Everything that a cell will need, and no gRPC port: Phoenix would bind it on all interfaces,
    and has no setting against it.

    Returns the environment that the import itself has set: Phoenix names SQLite's extensions
    there (`SQLEAN_ENABLE_STATS`), and without them its percentiles fail.
    """
    before = set(os.environ)
    importlib.import_module("phoenix.server.main")
    from phoenix.server.grpc_server import GrpcServer

    async def listen_nowhere(_: GrpcServer) -> None:
        pass

    GrpcServer.__aenter__ = listen_nowhere
    for name in PRELOADED:
        with contextlib.suppress(ImportError):  # optional, or gone in another release
            importlib.import_module(name)
    return {name: value for name, value in os.environ.items() if name not in before}


def run_phoenix(listener: socket.socket, arguments: Sequence[str]) -> None:
    import uvicorn
    from phoenix.server.main import main as phoenix_main

    run = uvicorn.Server.run

    def run_here(server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        run(server, [listener])

    uvicorn.Server.run = run_here  # type: ignore[assignment, method-assign]
    sys.argv = ["phoenix", *arguments]
    try:
        phoenix_main()
    except MemoryError:
        sys.exit(EXIT_OUT_OF_MEMORY)


def why_unsafe() -> str:
    """Why a fork is not safe now, "" if it is. Only Linux tells how many threads there are."""
    try:
        names = [
            Path(task, "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()
        ]
    except OSError:
        return "this system does not list its threads"
    return "" if len(names) == 1 else f"{len(names)} threads: {', '.join(sorted(names))}"


def die_with(parent: int) -> None:
    """Be killed when the parent dies, however it dies (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def die_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def redirect_output(log: int) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, onto in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(fd, onto)
    os.close(nothing)
    os.close(log)


def reseed() -> None:
    """What every cell would else continue from one and the same state. OpenSSL and `random` see
    to themselves after a fork; NumPy does not."""
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()


def name_process() -> None:
    """What `ps` shows; it names no tenant."""
    _prctl(_PR_SET_NAME, PROCESS_NAME)


def _prctl(option: int, value: int | bytes) -> None:
    with contextlib.suppress(AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(option, value)


if __name__ == "__main__":
    main(sys.argv[1:])
