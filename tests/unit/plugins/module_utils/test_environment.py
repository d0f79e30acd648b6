from __future__ import annotations

import subprocess
from typing import Any

import pytest
from ansible_collections.greenroom.django.plugins.module_utils._environment import (
    LARGEST,
    LONGEST,
    dump_environment,
    environment_problem,
    environment_problems,
    load_environment,
    without_secrets,
)
from ansible_collections.greenroom.django.plugins.module_utils._error import GreenroomError

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQ+/=\nabc==\n-----END PRIVATE KEY-----\n"
VALUES = {
    "empty": "",
    "plain": "live",
    "json": '{"a": ["b", {"c": "d\\"e"}], "f": null}',
    "double quotes": '"',
    "quoted": '"all of it"',
    "single quotes": "it's 'so'",
    "dollar": "$HOME ${HOME} $$ $(id) `id`",
    "hash": "#not a comment # nor this",
    "semicolon": "; no comment either",
    "backslash": "\\",
    "backslashes": "\\\\server\\share\\n",
    "backslash at the end": "C:\\",
    "backslash and quote": '\\"',
    "backslash before a line end": "a\\\nb",
    "percent": "%i %% 100%",
    "pem": PEM,
    "line ends alone": "\n\n",
    "line end of Windows": "a\r\nb\r",
    "an assignment inside": 'a\nOTHER="b"\nc',
    "a section inside": "\n[Service]\nUser=root\n",
    "tabs": "\ta\tb\t",
    "spaces around": "  a  ",
    "equals": "postgres://u:p=w@h/db?x=1&y=2",
    "unicode": "Größe “naïve” ☃ 𝄞",
    "control characters": "\x01\x1b[0m\x7f",
    "long": "x" * 20000,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_value_comes_back_byte_for_byte(value: str) -> None:
    assert load_environment(dump_environment({"A": value})) == {"A": value}


def test_all_of_them_in_one_file() -> None:
    variables = {f"V{number}": value for number, value in enumerate(VALUES.values())}
    assert load_environment(dump_environment(variables)) == variables


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_a_shell_understands_it_the_same_way(value: str) -> None:
    """Another reader of the same quoting, which owes nothing to load_environment()."""
    script = dump_environment({"A": value}) + 'printf "%sx" "$A"'
    result = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert result.stdout.decode() == value + "x"


@pytest.mark.parametrize(
    ("variables", "content"),
    [
        ({}, ""),
        ({"B": "2", "A": "1"}, 'A="1"\nB="2"\n'),
        ({"A": "$ \\ ` \" ' #"}, 'A="\\$ \\\\ \\` \\" \' #"\n'),
        ({"KEY": "a\nb\n"}, 'KEY="a\nb\n"\n'),
    ],
)
def test_the_file_itself(variables: dict[str, str], content: str) -> None:
    assert dump_environment(variables) == content


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("A", "x", None),
        ("_a1", "", None),
        (
            "1A",
            "s3cret",
            "app_env has a variable named '1A'; names are letters, digits and underscores, and "
            "start with no digit.",
        ),
        (
            "A-B",
            "s3cret",
            "app_env has a variable named 'A-B'; names are letters, digits and underscores, and "
            "start with no digit.",
        ),
        (
            "A\n",
            "s3cret",
            "app_env has a variable named 'A\\n'; names are letters, digits and underscores, and "
            "start with no digit.",
        ),
        (
            7,
            "s3cret",
            "app_env has a variable named 7; names are letters, digits and underscores, and "
            "start with no digit.",
        ),
        ("A", 4711, "app_env.A is of type int; it should be a string: put it in quotes."),
        ("A", True, "app_env.A is of type bool; it should be a string: put it in quotes."),
        ("A", None, "app_env.A is of type null; it should be a string: put it in quotes."),
        ("A", ["s3cret"], "app_env.A is of type list; it should be a string: put it in quotes."),
        ("A", "s3cret\0", "app_env.A holds a NUL character, which no environment can."),
        (
            "A",
            "s3cret\udcff",
            "app_env.A holds half of a surrogate pair, which is no text in UTF-8.",
        ),
    ],
)
def test_a_problem_is_named_without_the_value(name: Any, value: Any, problem: str | None) -> None:
    assert environment_problem(name, value) == problem
    if problem is not None:
        with pytest.raises(GreenroomError) as refused:
            dump_environment({name: value})
        assert str(refused.value) == problem
        assert "s3cret" not in problem
        assert "4711" not in problem


def test_secrets_in_what_an_app_says_are_blotted_out() -> None:
    variables = {
        "SECRET_KEY": "abcdef",
        "DATABASE_URL": "postgres://me:abcdef@db/x",
        "API_PIN": "12345",  # too short to be told from other words
        "DJANGO_SETTINGS_MODULE": "shop.settings",
    }
    said = "shop.settings: cannot reach postgres://me:abcdef@db/x with abcdef or 12345"
    blotted = "shop.settings: cannot reach ******** with ******** or 12345"
    assert without_secrets(said, variables) == blotted


@pytest.mark.parametrize(
    ("address", "said", "blotted"),
    [
        ("postgres://me:abcdef@db/x", "for me: abcdef", "for me: ********"),
        ("redis://:abcdef@cache:6379/0", "abcdef", "********"),
        ("amqp://me:a%2Fb%40c%25d@queue/", "a/b@c%d or a%2Fb%40c%25d", "******** or ********"),
        ("amqp://me:a/b@c#d?e@queue/", "a/b@c#d?e", "********"),
        ("amqp://me:ab@cdef@queue/", "ab@cdef", "********"),
        ("a://me:abcdef@h/x,b://me:ghijkl@h/x", "abcdef, ghijkl", "********, ********"),
        ("postgres://me:abc@db/x", "abc", "abc"),
        ("postgres://me@db/abcdef", "abcdef", "abcdef"),
        ("https://example.com/a:abcdef@x", "abcdef", "abcdef"),
        ("https://example.com:80/@abcdef", "abcdef", "abcdef"),
    ],
)
def test_the_password_in_an_address_is_blotted_out_by_itself(
    address: str, said: str, blotted: str
) -> None:
    """In variables of any name."""
    assert without_secrets(said, {"BROKER": address}) == blotted


def test_what_linux_can_start_a_program_with() -> None:
    """Tried with a real one, since a number that is copied from a manual is soon out of date."""
    longest = "x" * (LONGEST - len("A="))
    assert environment_problem("A", longest) is None
    assert subprocess.run(["/bin/true"], env={"A": longest}).returncode == 0
    problem = environment_problem("A", longest + "s")
    assert problem == (
        f"app_env.A has {LONGEST + 1} bytes with its name; Linux starts no program with more than "
        f"{LONGEST} in one variable. What is large belongs in a file, whose path a variable names."
    )
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true"], env={"A": longest + "s"})


def test_all_variables_together() -> None:
    many = {f"A{number:02}": "ä" * 50_000 for number in range(20)}
    (problem,) = environment_problems(many)
    assert problem.startswith("app_env has 2000260 bytes, the most of them in A00; Linux starts no")
    assert "ä" not in problem
    with pytest.raises(GreenroomError, match=r"the most of them in A00"):
        dump_environment(many)
    fits = dict(list(many.items())[: LARGEST // 100_020])
    assert environment_problems(fits) == []
    assert subprocess.run(["/bin/true"], env=fits).returncode == 0
