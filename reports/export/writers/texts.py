"""Texts from the database to a file: one behind the other, while the next ones are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

import pyarrow as pa


def texts_of(batch: pa.RecordBatch) -> memoryview:
    """Return the texts of a batch's only column, without nulls, as one piece of UTF-8."""
    texts = batch.column(0)
    # Arrow keeps the texts of a column in one piece of memory, and where each begins in another.
    _, offsets, content = texts.buffers()
    places = memoryview(offsets).cast("i")
    first, last = places[texts.offset], places[texts.offset + len(texts)]
    return memoryview(content)[first:last] if last > first else memoryview(b"")


@contextmanager
def written_behind(file: IO[bytes]) -> Iterator[Callable[[memoryview], None]]:
    """Yield what writes to `file` in a thread of its own, one piece at a time; all is written when the block ends."""
    before: Future[int] | None = None
    with ThreadPoolExecutor(max_workers=1) as pool:

        def write(content: memoryview) -> None:
            nonlocal before
            if before is not None:
                before.result()
            before = pool.submit(file.write, content)

        yield write
        if before is not None:
            before.result()
