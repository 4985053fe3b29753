"""Failures of a request to a server: those that may pass away, and those that will not."""

from __future__ import annotations


class BrokenAnswerError(Exception):
    """The answer is malformed or was broken off; the same request may succeed again.

    Attributes:
        status: the HTTP status that said so; None when the trouble is elsewhere.
        retry_after: seconds the server asked to wait; None when it did not.
        busy: the server is well and merely wants to be asked later.
        shape: what is wrong with the form of the answer, where it is its form; a server all of
            whose answers have it will not be understood however often it is asked.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        busy: bool = False,
        shape: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.busy = busy
        self.shape = shape


class RefusedError(Exception):
    """The server will not answer this request, however often it is asked.

    Attributes:
        status: the HTTP status that said so; None when the trouble is elsewhere.
        hint: the next step.
        words: what the server said, in full as far as it was read; for looking into, not for
            printing.
        elsewhere: the fault is the server's and not the request's.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        hint: str | None = None,
        words: str = "",
        elsewhere: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint
        self.words = words
        self.elsewhere = elsewhere
