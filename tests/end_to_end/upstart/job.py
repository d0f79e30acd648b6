"""The job files of upstart, read by the rules of init(5): what init-checkconf would say of them.

Only the standard library is used: the stand-in for upstart takes it along to a host.
"""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PROCESSES = ("main", "pre-start", "post-start", "pre-stop", "post-stop")
LIMITS = {
    name.removeprefix("RLIMIT_").lower(): number
    for name, number in vars(resource).items()
    if name.startswith("RLIMIT_")
}


class JobError(Exception):
    """A job file that upstart would not take: the line, and what it would say."""

    def __init__(self, line: int, said: str) -> None:
        super().__init__(f"{line}: {said}")
        self.line, self.said = line, said


@dataclass
class Process:
    """What is run: a command that goes to a shell where it needs one, or a script."""

    command: str
    is_script: bool

    def argv(self) -> list[str]:
        """The words that are executed."""
        if self.is_script:
            return ["/bin/sh", "-e", "-c", self.command, "/bin/sh"]
        if re.search(r"[~`!$^&*()=|\\{}\[\];\"'<>?]", self.command):
            return ["/bin/sh", "-e", "-c", f"exec {self.command}", "/bin/sh"]
        return self.command.split()


@dataclass
class Event:
    """An event that is waited for: its name, and what its variables must be."""

    name: str
    matches: list[str] = field(default_factory=list)
    happened: bool = False


@dataclass
class Operator:
    """Two things that are waited for, both or one of them."""

    word: str
    left: Operator | Event
    right: Operator | Event


@dataclass
class Job:
    """What a job file says."""

    instance: str = ""
    env: dict[str, str] = field(default_factory=dict)
    export: list[str] = field(default_factory=list)
    start_on: Operator | Event | None = None
    stop_on: Operator | Event | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    task: bool = False
    respawn: bool = False
    respawn_limit: tuple[int, int] = (10, 5)
    normal_exit: list[str] = field(default_factory=list)
    console: str = "log"
    umask: int = 0o022
    nice: int = 0
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    chdir: str = "/"
    setuid: str = ""
    setgid: str = ""
    usage: str = ""
    kill_timeout: int = 5
    kill_signal: int = signal.SIGTERM
    #: the stanzas that the file has, in order
    stanzas: list[str] = field(default_factory=list)


class Reader:
    """A job file, read from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line = text, 0, 1

    def _next(self) -> str:
        char = self.text[self.at]
        self.at += 1
        self.line += char == "\n"
        return char

    def done(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.text)

    def words(self, parentheses: bool = False) -> list[str]:
        """The words up to the end of the line. Line ends may stand in quotes and parentheses."""
        return [word for word, _ in self.words_and_lines(parentheses)]

    def words_and_lines(self, parentheses: bool = False) -> Iterator[tuple[str, int]]:
        """The same, each with its line."""
        word: str | None = None
        depth, quote, began = 0, "", self.line
        while not self.done():
            began = began if word is not None else self.line
            char = self._next()
            if quote:
                if char == quote:
                    quote = ""
                elif char == "\\" and not self.done():
                    word = (word or "") + self._next()
                else:
                    word = (word or "") + char
                continue
            if char in "'\"":
                quote, word = char, word or ""
            elif char == "\\" and not self.done():
                escaped = self._next()
                word = word if escaped == "\n" else (word or "") + escaped
            elif char == "#":
                while not self.done() and self.text[self.at] != "\n":
                    self._next()
            elif char in " \t\r\n" or (parentheses and char in "()"):
                if word is not None:
                    yield word, began
                    word = None
                if parentheses and char in "()":
                    depth += 1 if char == "(" else -1
                    yield char, began
                if char == "\n" and depth <= 0:
                    return
            else:
                word = (word or "") + char
        if quote:
            raise JobError(began, "Unterminated quoted string")
        if word is not None:
            yield word, began

    def word(self) -> str | None:
        """The next word of this line, or None at its end."""
        found = re.compile(r"[ \t]*([^\s#]*)").match(self.text, self.at)
        assert found
        self.at = found.end()
        return found[1] or None

    def command(self) -> str:
        """The rest of the line, as it stands."""
        line, quote, text = self.line, "", ""
        while not self.done():
            char = self._next()
            if char == "\\" and not self.done():
                escaped = self._next()
                text += "" if escaped == "\n" else char + escaped
                continue
            if quote or char in "'\"":
                quote = "" if char == quote else quote or char
            elif char == "#":
                while not self.done() and self.text[self.at] != "\n":
                    self._next()
                continue
            elif char == "\n":
                break
            text += char
        if quote:
            raise JobError(line, "Unterminated quoted string")
        if not text.strip():
            raise JobError(line, "Expected token")
        return text.strip()

    def block(self, name: str) -> str:
        """The lines up to the one that says that the block ends."""
        line = self.line
        lines: list[str] = []
        if self.words():
            raise JobError(line, "Unexpected token")
        while not self.done():
            end = self.text.find("\n", self.at) + 1 or len(self.text)
            found = self.text[self.at : end]
            self.at, self.line = end, self.line + 1
            if re.fullmatch(rf"\s*end\s+{name}\s*(#.*)?", found):
                return "".join(lines)
            lines.append(found)
        raise JobError(self.line, "Unterminated block")


def parse(text: str) -> Job:
    """What a job file says. Raises JobError where upstart would not take it."""
    job, reader = Job(), Reader(text)
    while not reader.done():
        line = reader.line
        name = reader.word()
        if name is None:
            if reader.words():  # only a comment, or nothing
                raise JobError(line, "Unexpected token")
            continue
        if name not in STANZAS:
            raise JobError(line, "Unknown stanza")
        job.stanzas.append(name)
        STANZAS[name](job, reader, line)
    return job


def _argument(reader: Reader, line: int, count: int = 1, more: bool = False) -> list[str]:
    """So many words, and no other; or more, where that is said."""
    words = reader.words()
    if len(words) < count:
        raise JobError(line, "Expected token")
    if len(words) > count and not more:
        raise JobError(line, "Unexpected token")
    return words


def _number(text: str, line: int, said: str, least: int = 0, base: int = 10) -> int:
    try:
        number = int(text, base)
    except ValueError:
        raise JobError(line, said) from None
    if number < least:
        raise JobError(line, said)
    return number


def signal_of(text: str) -> int | None:
    """The number of a signal by its name, with or without SIG, or by number."""
    if text.isdigit():
        return int(text)
    name = text if text.startswith("SIG") else f"SIG{text}"
    return signal.Signals[name].value if name in signal.Signals.__members__ else None


def _text(_job: Job, reader: Reader, line: int) -> None:
    _argument(reader, line)


def _flag(name: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, line: int) -> None:
        _argument(reader, line, 0)
        if name == "manual":
            job.start_on = None
        else:
            setattr(job, name, True)

    return handle


def _set(name: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, line: int) -> None:
        setattr(job, name, _argument(reader, line)[0])

    return handle


def _env(job: Job, reader: Reader, line: int) -> None:
    name, _, value = _argument(reader, line)[0].partition("=")
    job.env[name] = value


def _export(job: Job, reader: Reader, line: int) -> None:
    job.export += _argument(reader, line, more=True)


def _emits(_job: Job, reader: Reader, line: int) -> None:
    _argument(reader, line, more=True)


def _on(name: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, line: int) -> None:
        word = reader.word()
        if word != "on":
            raise JobError(line, "Unknown stanza" if word else "Expected token")
        words = list(reader.words_and_lines(parentheses=True))
        setattr(job, name, expression(words, line))

    return handle


def expression(words: list[tuple[str, int]], line: int) -> Operator | Event:
    """What is waited for. Both operators bind alike, from the left."""
    left: Operator | Event | None = None
    word = ""
    while words:
        text, line = words.pop(0)
        if text in ("and", "or"):
            if left is None or word:
                raise JobError(line, "Expected event")
            word = text
            continue
        if text == ")":
            raise JobError(line, "Mismatched parentheses")
        if left is not None and not word:
            raise JobError(line, "Expected operator")
        if text == "(":
            found = expression(_inside(words, line), line)
        else:
            found = Event(text)
            while words and words[0][0] not in ("and", "or", "(", ")"):
                found.matches.append(words.pop(0)[0])
        left = Operator(word, left, found) if left is not None and word else found
        word = ""
    if left is None or word:
        raise JobError(line, "Expected event")
    return left


def _inside(words: list[tuple[str, int]], line: int) -> list[tuple[str, int]]:
    """The words up to the parenthesis that closes; they are taken out."""
    depth = 1
    for index, (text, _) in enumerate(words):
        depth += {"(": 1, ")": -1}.get(text, 0)
        if depth == 0:
            inside = words[:index]
            del words[: index + 1]
            return inside
    raise JobError(line, "Mismatched parentheses")


def _exec(name: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, _line: int) -> None:
        job.processes[name] = Process(reader.command(), is_script=False)

    return handle


def _script(name: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, _line: int) -> None:
        job.processes[name] = Process(reader.block("script"), is_script=True)

    return handle


def _process(name: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, line: int) -> None:
        word = reader.word()
        if word not in ("exec", "script"):
            raise JobError(line, "Unknown stanza" if word else "Expected token")
        (_exec if word == "exec" else _script)(name)(job, reader, line)

    return handle


def _respawn(job: Job, reader: Reader, line: int) -> None:
    words = reader.words()
    if words and words[0] != "limit":
        raise JobError(line, "Unknown stanza")
    if not words:
        job.respawn = True
    elif words[1:] == ["unlimited"]:
        job.respawn_limit = (0, 0)
    elif len(words) < 3:
        raise JobError(line, "Expected token")
    elif len(words) > 3:
        raise JobError(line, "Unexpected token")
    else:
        count = _number(words[1], line, "Illegal limit")
        job.respawn_limit = (count, _number(words[2], line, "Illegal interval"))


def _normal(job: Job, reader: Reader, line: int) -> None:
    if reader.word() != "exit":
        raise JobError(line, "Unknown stanza")
    for word in _argument(reader, line, more=True):
        if not word.isdigit() and signal_of(word) is None:
            raise JobError(line, "Illegal exit status")
        job.normal_exit.append(word)


def _kill(job: Job, reader: Reader, line: int) -> None:
    word = reader.word()
    if word not in ("timeout", "signal"):
        raise JobError(line, "Unknown stanza" if word else "Expected token")
    value = _argument(reader, line)[0]
    if word == "timeout":
        job.kill_timeout = _number(value, line, "Illegal interval")
        return
    number = signal_of(value)
    if number is None:
        raise JobError(line, "Illegal signal status")
    job.kill_signal = number


def _reload(_job: Job, reader: Reader, line: int) -> None:
    if reader.word() != "signal":
        raise JobError(line, "Unknown stanza")
    if signal_of(_argument(reader, line)[0]) is None:
        raise JobError(line, "Illegal signal status")


def _one_of(*words: str) -> Callable[[Job, Reader, int], None]:
    def handle(job: Job, reader: Reader, line: int) -> None:
        word = _argument(reader, line)[0]
        if word not in words:
            raise JobError(line, "Unknown stanza")
        if "log" in words:
            job.console = word

    return handle


def _umask(job: Job, reader: Reader, line: int) -> None:
    job.umask = _number(_argument(reader, line)[0], line, "Illegal file creation mask", base=8)


def _nice(job: Job, reader: Reader, line: int) -> None:
    job.nice = _number(_argument(reader, line)[0], line, "Illegal nice value", -20)


def _oom(_job: Job, reader: Reader, line: int) -> None:
    words = _argument(reader, line, more=True)
    value = words[1] if words[0] == "score" and len(words) == 2 else words[0]
    if value != "never":
        _number(value, line, "Illegal oom adjustment", -999)


def _limit(job: Job, reader: Reader, line: int) -> None:
    name, *values = _argument(reader, line, 3)
    if name not in LIMITS:
        raise JobError(line, "Unknown stanza")
    soft, hard = (-1 if v == "unlimited" else _number(v, line, "Illegal limit") for v in values)
    job.limits[name] = (soft, hard)


def _apparmor(_job: Job, reader: Reader, line: int) -> None:
    if reader.word() not in ("load", "switch"):
        raise JobError(line, "Unknown stanza")
    _argument(reader, line)


def _cgroup(_job: Job, reader: Reader, line: int) -> None:
    _argument(reader, line, more=True)


STANZAS: dict[str, Callable[[Job, Reader, int], None]] = {
    **dict.fromkeys(("description", "author", "version", "chroot"), _text),
    **{name: _set(name) for name in ("instance", "usage", "chdir", "setuid", "setgid")},
    **{name: _flag(name) for name in ("task", "manual")},
    **{name: _process(name) for name in PROCESSES[1:]},
    "exec": _exec("main"),
    "script": _script("main"),
    "env": _env,
    "export": _export,
    "emits": _emits,
    "start": _on("start_on"),
    "stop": _on("stop_on"),
    "respawn": _respawn,
    "normal": _normal,
    "expect": _one_of("stop", "daemon", "fork", "none"),
    "console": _one_of("log", "none", "output", "owner"),
    "umask": _umask,
    "nice": _nice,
    "oom": _oom,
    "limit": _limit,
    "kill": _kill,
    "reload": _reload,
    "apparmor": _apparmor,
    "cgroup": _cgroup,
}
