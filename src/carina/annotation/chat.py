"""Asks a server that speaks OpenAI's chat completions, patiently and never behind the user's back.

Reports hold patient data, so a server on another machine is refused unless the user allows it;
redirects are not followed, proxies are not looked up, and neither what is sent nor what comes
back is logged or put into an error.
"""

import email.utils
import http.client
import ipaddress
import json
import os
import random
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import SplitResult, urlsplit

from carina.annotation.prompt import Messages
from carina.errors import AnnotationError, ConfigError

KEY_VARIABLE = "CARINA_API_KEY"
ATTEMPTS = 6
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 900.0
LONGEST_REPLY = 4_000_000
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 529})
"""Statuses that another attempt may not meet."""
HOPELESS = frozenset({401, 402, 403, 404, 405, 410})
"""Statuses that every report would meet."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model answered.

    Attributes:
        answer: its words.
        tokens_in: how many tokens were sent, as the server counts; None if it does not say.
        tokens_out: how many came back.
        complete: False where the server cut the answer off.
    """

    answer: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    complete: bool = True


class UnansweredError(Exception):
    """One report could not be asked about; its text says why. The source counts it."""


class PassingError(Exception):
    """An attempt failed in a way that the next one may not; its text says how."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class ChatServer:
    """A model behind an address; to be used by several threads at once.

    Attributes:
        stopped: set it to end all waiting.
    """

    def __init__(self, address: str, model: str, *, allow_remote: bool, timeout_s: float) -> None:
        """Checks the address; nothing is sent yet.

        Args:
            address: with the version, such as "http://localhost:8000/v1".
            model: the server's name of the model.
            allow_remote: whether the server may be another machine.
            timeout_s: how long it may be silent.

        Raises:
            ConfigError: the address or the key in `CARINA_API_KEY` cannot be used, or the
                server is remote and that is not allowed.
        """
        self._url = checked_address(address, allow_remote)
        self._model = model
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        key = checked_key(os.environ.get(KEY_VARIABLE, ""))
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self.stopped = threading.Event()
        self._not_before = 0.0  # all threads wait together when the server asks for a pause
        self._met = False  # whether anything has ever answered

    def ask(self, messages: Messages) -> Reply:
        """One answer, after as many attempts as it needs.

        Raises:
            UnansweredError: the server did not answer this request, or asks for too long a pause.
            AnnotationError: it will not answer any.
        """
        body = json.dumps(
            {
                "model": self._model,
                "messages": [{"role": role, "content": text} for role, text in messages],
                "temperature": 0,
            }
        ).encode()
        for attempt in range(1, ATTEMPTS + 1):
            self._wait(self._not_before - time.monotonic())
            try:
                return read_reply(self._send(body))
            except PassingError as error:
                if error.wait_s > LONGEST_WAIT_S:
                    raise UnansweredError(
                        f"{error}, and is to be asked again in {error.wait_s:.0f} s"
                    ) from error
                if attempt == ATTEMPTS:
                    raise UnansweredError(f"{error}, {ATTEMPTS} times") from error
                self._not_before = max(self._not_before, time.monotonic() + error.wait_s)
                backoff = FIRST_WAIT_S * 2 ** (attempt - 1)
                self._wait(backoff * random.uniform(0.5, 1.0))
        raise AssertionError  # the last attempt has returned or raised

    def _wait(self, seconds: float) -> None:
        if self.stopped.wait(max(0.0, seconds)):
            raise UnansweredError("was not asked any more")

    def _send(self, body: bytes) -> bytes:
        """Sends one request and returns what came back with status 200."""
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(str(self._url.hostname), self._url.port, timeout=self._timeout_s)
        try:
            connection.request("POST", f"{self._url.path}/chat/completions", body, self._headers)
            response = connection.getresponse()
            self._met = True
            content = response.read(LONGEST_REPLY + 1)
        except TimeoutError as error:
            raise PassingError(f"was silent for {self._timeout_s:g} s") from error
        except UnicodeError as error:  # a name with a part of more than 63 letters
            raise self._unreachable("it is no name of a machine") from error
        except (ConnectionRefusedError, socket.gaierror, ssl.SSLError) as error:
            if not self._met:
                raise self._unreachable(error.strerror or str(error)) from error
            raise PassingError("could not be reached") from error
        except (OSError, http.client.HTTPException) as error:
            raise PassingError(f"broke off ({type(error).__name__})") from error
        finally:
            connection.close()
        if response.status == HTTPStatus.OK:
            return content
        raise self._refusal(response)

    def _unreachable(self, why: str) -> AnnotationError:
        return AnnotationError(
            f"nothing answers at {self._url.geturl()} ({why}). Start the server, or correct "
            "--server."
        )

    def _refusal(self, response: http.client.HTTPResponse) -> Exception:
        """What a status other than 200 means: for this attempt, for this report, or for all."""
        status = f"{response.status} {response.reason}".strip()
        if response.status in PASSING:
            wait_s = retry_after(response.headers.get("Retry-After"))
            return PassingError(f"answered {status}", wait_s)
        if response.status in HOPELESS or response.status < 400:
            return AnnotationError(
                f"{self._url.geturl()} answered {status}; expected answers to POST "
                f"{self._url.path}/chat/completions for the model {self._model!r}. Check the "
                f"address (it often ends in /v1), the model's name and the key in {KEY_VARIABLE}."
            )
        return UnansweredError(f"answered {status}")


def checked_address(address: str, allow_remote: bool) -> SplitResult:
    """The parts of a base address without a slash at the end.

    Raises:
        ConfigError: it is no http address, holds a name and password, or is remote.
    """
    try:
        url = urlsplit(address.rstrip("/"))
        usable = url.scheme in ("http", "https") and url.hostname and (url.port or 1) > 0
    except ValueError:
        usable = None
    if not usable or url.query or url.fragment:
        raise ConfigError(
            f"the server {address!r} is no address, expected one such as "
            "http://localhost:8000/v1. Correct --server."
        )
    if url.username is not None or url.password is not None:
        raise ConfigError(
            f"the address of the server holds a name or password; expected none, as addresses are "
            f"shown. Put the key into the variable {KEY_VARIABLE}."
        )
    if not allow_remote and not is_local(str(url.hostname)):
        raise ConfigError(
            f"{url.hostname} is another machine, and reports hold patient data: what is sent there "
            "leaves your hands, and the licence of most data sets forbids it. If you may send "
            "these reports to that server, add --allow-remote; else run a model on this machine "
            "and name it as http://localhost:PORT/v1."
        )
    return url


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked_key(key: str) -> str:
    """The key, if it can be sent; it is never shown.

    Raises:
        ConfigError: it holds white space or letters that no header can hold.
    """
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"the key in {KEY_VARIABLE} holds white space or other marks that cannot be sent. "
            "Set it again, without a line end."
        )
    return key


def retry_after(header: str | None) -> float:
    """The seconds that a server asks to wait, given as a number or as a date; 0 for neither."""
    if header is None:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def read_reply(content: bytes) -> Reply:
    """The answer in a chat completion.

    Raises:
        PassingError: it is none, as when a page of a proxy came back.
        UnansweredError: it is too long.
    """
    if len(content) > LONGEST_REPLY:
        raise UnansweredError(f"answered more than {LONGEST_REPLY} bytes")
    try:
        reply: Any = json.loads(content)
        choice = reply["choices"][0]
        answer = choice["message"]["content"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise PassingError("answered no chat completion") from error
    if not isinstance(answer, str):
        raise PassingError("answered a completion without words")
    usage = reply.get("usage")
    return Reply(
        answer=answer,
        tokens_in=count_of(usage, "prompt_tokens"),
        tokens_out=count_of(usage, "completion_tokens"),
        complete=choice.get("finish_reason") != "length",
    )


def count_of(usage: object, name: str) -> int | None:
    """A count of tokens, None where the server gives none."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if isinstance(count, int) else None
