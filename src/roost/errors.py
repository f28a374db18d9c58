"""What can go wrong, as few classes as callers tell apart.

    RoostError              the message is safe to show and says what to do
    ├── ConfigError         settings, files or the machine are not fit to start; lists every finding
    ├── BadRequest          400 and its kin: the caller can mend the request
    ├── NotSignedIn         401: no proof, or a proof that does not hold
    ├── NotAllowed          403: known caller, own tenant, role too low, or a foreign Origin or Host
    ├── NotFound            404: not there, or not yours; the two look alike
    ├── TooLarge            413, 414, 431: over a limit that the message names
    └── Unavailable         503 with Retry-After: waking, overloaded, or down; 429 for a caller
                            over its rate; 502 and 504 where a cell's answer is unfit or missing

Why a caller was refused is for the log and `roost explain`; it travels as `reason`
and is never part of the message.
"""

from collections.abc import Sequence


class RoostError(Exception):
    """Base class. `status` and `title` are what RFC 9457 shows; `reason` is for the log alone."""

    status = 500
    title = "Something went wrong in Roost"

    def __init__(self, message: str = "", *, reason: str = "", status: int | None = None) -> None:
        super().__init__(message or self.title)
        self.reason = reason
        if status is not None:
            self.status = status

    @property
    def message(self) -> str:
        return str(self.args[0])


class ConfigError(RoostError):
    """Every finding at once, each one saying what to do.

    >>> print(ConfigError(["port is taken", "secret is short"]).message)
    Roost cannot start:
      - port is taken
      - secret is short
    """

    title = "Roost cannot start"

    def __init__(self, findings: Sequence[str]) -> None:
        super().__init__("\n  - ".join([f"{self.title}:", *findings]))
        self.findings = tuple(findings)


class BadRequest(RoostError):
    status = 400
    title = "The request is not understood"


class NotSignedIn(RoostError):
    status = 401
    title = "Sign in first"


class NotAllowed(RoostError):
    status = 403
    title = "Not allowed"


class NotFound(RoostError):
    status = 404
    title = "Nothing here"


class TooLarge(RoostError):
    status = 413
    title = "The request is too large"


class Unavailable(RoostError):
    """`retry_after_s` becomes the Retry-After header; 0 sends none."""

    status = 503
    title = "Not ready yet"

    def __init__(
        self,
        message: str = "",
        *,
        reason: str = "",
        retry_after_s: int = 2,
        status: int | None = None,
    ) -> None:
        super().__init__(message, reason=reason, status=status)
        self.retry_after_s = retry_after_s
