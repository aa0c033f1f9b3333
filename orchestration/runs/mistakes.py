"""A mistake in what was asked of a step: Dagster's pages show its message, without the traceback of a failure."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from orchestration.runs.dagster_internals import DagsterUserCodeProcessError, SerializableErrorInfo
from warehouse.errors import UserError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class MistakeError(UserError, DagsterUserCodeProcessError):
    """A UserError as Dagster records it: its message alone. Its cause is the one that was raised."""

    def __init__(self, message: str) -> None:
        error = SerializableErrorInfo(message, [], UserError.__name__)
        DagsterUserCodeProcessError.__init__(self, message, user_code_process_error_infos=[error])  # type: ignore[no-untyped-call]


def tells_mistakes(step: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return the step, whose UserErrors come out as a `MistakeError`."""
    if inspect.isgeneratorfunction(step):

        @functools.wraps(step)
        def yielding(*args: Any, **kwargs: Any) -> Iterator[Any]:
            with _in_words():
                yield from step(*args, **kwargs)

        return yielding  # type: ignore[return-value]

    @functools.wraps(step)
    def returning(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with _in_words():
            return step(*args, **kwargs)

    return returning


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise MistakeError(str(error)) from error
