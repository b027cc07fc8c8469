"""Asks a language model about many texts: each once, with the answers kept on disk."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from carina.annotation.answer_cache import AnswerCache
from carina.annotation.answers import NonsenseError
from carina.annotation.chat import ChatServer, Reply, UnansweredError
from carina.annotation.prompt import Messages
from carina.annotation.texts import check_count
from carina.errors import AnnotationError, ConfigError
from carina.files import progress

PATIENCE = 20


@runtime_checkable
class Asks(Protocol):
    """What is asked about a text, and when an answer is of use."""

    def messages(self, text: str) -> Messages:
        """The messages that ask about a text."""
        ...

    def check(self, reply: Reply, text: str) -> None:
        """Refuses an answer of no use.

        Raises:
            NonsenseError: it is not of the form that was asked for.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model on a server.

    Every answer is kept in `cache` as it arrives; what is there is not asked again, whenever and
    however the last run ended.

    Attributes:
        server: base address, such as "http://localhost:8000/v1".
        model: the server's name of the model.
        cache: a folder; it may serve several models, prompts and manifests.
        allow_remote: whether reports may leave this machine.
        concurrency: requests at a time.
        timeout_s: how long the server may be silent.
        price_in: of a million tokens sent, in whatever currency.
        price_out: of a million tokens answered.
    """

    server: str
    model: str
    cache: Path
    allow_remote: bool = False
    concurrency: int = 4
    timeout_s: float = 120.0
    price_in: float | None = None
    price_out: float | None = None

    def __post_init__(self) -> None:
        """Checks numbers."""
        check_count("concurrency", self.concurrency)
        if not self.timeout_s > 0:
            raise ConfigError(f"timeout_s must be > 0, got {self.timeout_s}: seconds of silence.")
        for name, price in (("price_in", self.price_in), ("price_out", self.price_out)):
            if price is not None and not price >= 0:
                raise ConfigError(f"{name} must be >= 0, got {price}: of a million tokens.")

    def ask(
        self, texts: Sequence[str], asks: Asks
    ) -> tuple[Mapping[str, Reply | str], tuple[str, ...]]:
        """The reply about each text, or why there is none; and remarks on what was asked.

        Args:
            texts: all different.
            asks: says what is asked about them.

        Raises:
            ConfigError: server or key cannot be used, or the server is remote.
            AnnotationError: the server answers nothing, or nothing but nonsense.
            OutputError: the cache cannot be written.
        """
        server = ChatServer(
            self.server, self.model, allow_remote=self.allow_remote, timeout_s=self.timeout_s
        )
        asking = Asking(server, self.model, AnswerCache(self.cache), asks)
        replies = asking.replies(texts, self.concurrency)
        given = [reply for reply in replies.values() if isinstance(reply, Reply)]
        remarks = [asking.remark(len(given)), f"This run: {self._tokens(asking.new)}."]
        if len(given) > len(asking.new):
            remarks.append(f"With earlier runs: {self._tokens(given)}.")
        return replies, tuple(remarks)

    def _tokens(self, replies: Sequence[Reply]) -> str:
        sent = sum(reply.tokens_in or 0 for reply in replies)
        answered = sum(reply.tokens_out or 0 for reply in replies)
        silent = sum(reply.tokens_in is None or reply.tokens_out is None for reply in replies)
        words = f"{sent:,} tokens sent, {answered:,} answered"
        if self.price_in is not None or self.price_out is not None:
            cost = sent * (self.price_in or 0) / 1e6 + answered * (self.price_out or 0) / 1e6
            words += f", cost {cost:,.4f}"
        return words + (f" (not counted by the server: {silent} answers)" if silent else "")


class Asking:
    """Texts, the answers on disk, and the calls for those that are missing.

    Attributes:
        new: replies of this run, in the order in which they came.
    """

    def __init__(self, server: ChatServer, model: str, cache: AnswerCache, asks: Asks) -> None:
        self.new: list[Reply] = []
        self._server = server
        self._model = model
        self._cache = cache
        self._asks = asks
        self._known = 0
        self._failures: list[str] = []  # since the last answer of use
        self._hopeless: AnnotationError | None = None

    def replies(self, texts: Sequence[str], concurrency: int) -> Mapping[str, Reply | str]:
        """The reply about each text, or why there is none.

        Ctrl-C, and an error, end it once the calls under way are answered and kept.

        Raises:
            AnnotationError: the server answers nothing, or nothing but nonsense.
            OutputError: the cache cannot be written.
        """
        paths: dict[str, Path] = {}
        found: dict[str, Reply | str] = {}
        for text in progress(texts, "Looking for answers", len(texts)):
            paths[text] = self._cache.path(self._model, self._asks.messages(text))
            known = self._cache.read(paths[text])
            if known is not None:
                found[text] = known
        self._known = len(found)
        missing = [text for text in texts if text not in found]
        for text, outcome in self._asked(missing, paths, concurrency):
            found[text] = outcome
            self._watch(text, outcome)
        return found

    def remark(self, answered: int) -> str:
        """What was asked, in one sentence."""
        return (
            f"{self._model}: {answered:,} different texts answered, {self._known:,} of them "
            f"before; answers are kept in {self._cache.folder}."
        )

    def _asked(
        self, texts: Sequence[str], paths: Mapping[str, Path], concurrency: int
    ) -> Iterator[tuple[str, Reply | str]]:
        pool = ThreadPoolExecutor(concurrency)
        try:
            calls: dict[Future[Reply | str], str] = {
                pool.submit(self._ask, text, paths[text]): text for text in texts
            }
            for call in progress(as_completed(calls), f"Asking {self._model}", len(calls)):
                if self._hopeless is not None:  # before all that was not asked for its sake
                    raise self._hopeless
                yield calls[call], call.result()
        finally:
            self._server.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _ask(self, text: str, path: Path) -> Reply | str:
        """Runs in a thread: asks, and keeps the answer before anything else can go wrong."""
        try:
            reply = self._server.ask(self._asks.messages(text))
        except UnansweredError as error:
            return f"the server {error}"
        except AnnotationError as error:
            self._hopeless = error
            self._server.stopped.set()  # before the next report is sent
            raise
        self._cache.write(path, reply)
        return reply

    def _watch(self, text: str, outcome: Reply | str) -> None:
        """Stops where nothing but failures come: a wrong model costs twenty calls, no more."""
        if isinstance(outcome, Reply):
            self.new.append(outcome)
        reason = outcome if isinstance(outcome, str) else self._nonsense(text, outcome)
        self._failures = [*self._failures, reason] if reason else []
        if len(self._failures) >= PATIENCE:
            common, times = Counter(self._failures).most_common(1)[0]
            raise AnnotationError(
                f"the last {PATIENCE} reports got no answer of use; {times} times: {common}. "
                f"Answers are kept in {self._cache.folder}. Look at one, mend the server, the "
                "model or the prompt, and run the command again: it goes on from here."
            )

    def _nonsense(self, text: str, reply: Reply) -> str:
        try:
            self._asks.check(reply, text)
        except NonsenseError as error:
            return f"the answer {error}"
        return ""
