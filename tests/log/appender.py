"""Appends to the log in the directory that is named, for ever, by several writers at once; a line
on its output for each acknowledgement: the position and the body."""

import asyncio
import random
import sys
from pathlib import Path

from roost.log.base import Entry, Kind
from roost.log.segments import SegmentLimits, SegmentLog

WRITERS = 8


async def append_for_ever(log: SegmentLog, writer: int, start: str) -> None:
    number = 0
    while True:
        body = f"{start}-{writer}-{number} ".encode()
        padding = random.randbytes(random.randrange(8_000))  # noqa: S311 not a secret
        position = await log.append([Entry(Kind.SPANS, body + padding)])
        sys.stdout.write(f"{position} {body.decode()}\n")
        sys.stdout.flush()
        number += 1


async def main(directory: Path, start: str) -> None:
    log = await SegmentLog.open(directory, limits=SegmentLimits(segment_bytes=500_000))
    await asyncio.gather(*[append_for_ever(log, writer, start) for writer in range(WRITERS)])


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
