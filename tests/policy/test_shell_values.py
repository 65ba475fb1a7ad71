"""What the shell makes of a word, compared with what the shell makes of it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from oxtrio.policy.shell_values import Shell, Unread

ENV = {"A": "one", "EMPTY": "", "SPACES": "a b", "STAR": "*", "HOME": "/home/me", "_X9": "x"}

READ = [
    ("plain", "plain"),
    ("--port=80", "--port=80"),
    ("'single $A'", "single $A"),
    ('"double $A"', "double one"),
    ('"${A}b"', "oneb"),
    ("$A", "one"),
    ("a$A.b", "aone.b"),
    ("${A}b${_X9}", "onebx"),
    ("${A:-x}", "one"),
    ("${EMPTY:-x}", "x"),
    ("${NONE:-127.0.0.1:80}", "127.0.0.1:80"),
    ('"${NONE:-}"', ""),
    ("a${NONE:-}", "a"),
    ("a$EMPTY", "a"),
    ('"$EMPTY"', ""),
    ("''", ""),
    ('"$SPACES $STAR"', "a b *"),
    ("a\\ b", "a b"),
    ("\\$A", "$A"),
    ('"\\$A\\\\\\""', '$A\\"'),
    ('"a\\b"', "a\\b"),
    ('"5 $ x"', "5 $ x"),
    ('"5$"', "5$"),
    ("a'b'\"c\"d", "abcd"),
    ("~/x", "/home/me/x"),
    ("~/$A", "/home/me/one"),
    ("[::]:80", "[::]:80"),
    ("--bind=[::1]:80", "--bind=[::1]:80"),
    ('[::]:"$A"', "[::]:one"),
    ("a#b", "a#b"),
    ("a=b", "a=b"),
    ("é", "é"),
]

UNREAD = [
    "$EMPTY",
    "$NONE",
    "$EMPTY$NONE",
    "$SPACES",
    "a$STAR",
    "${NONE:-a b}",
    "${NONE:-$A}",
    "${A-x}",
    "${A:=x}",
    "${A:+x}",
    "${A#o}",
    "${#A}",
    "$1",
    "$$",
    "$?",
    "$@",
    "$UID",
    '"$RANDOM"',
    '"$(date)"',
    '"`date`"',
    "*.py",
    "a?",
    "[ab]",
    "[ab]:*",
    "[::]",
    "~",
    "~you",
    "a~b",
    "--x=~/y",
    "$'a'",
    '$"a"',
    '"${A-x}"',
    '"$1"',
    '"a\\\nb"',
    "a\\\nb",
    "'open",
    "a\\",
]


def shell(env: Mapping[str, str] = ENV, *files: str) -> Shell:
    return Shell(env, lambda name: name in files)


@pytest.mark.parametrize(("raw", "text"), READ)
def test_what_a_word_says_is_known(raw: str, text: str):
    assert shell().text(raw) == text


def test_the_shell_says_the_same(tmp_path: Path):
    words = " ".join(raw for raw, _ in READ)
    said = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\0' {words}"],
        env={**ENV, "LC_ALL": "C.UTF-8"},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )

    assert said.stdout.decode().split("\0")[:-1] == [text for _, text in READ]


@pytest.mark.parametrize("raw", UNREAD)
def test_what_is_not_certain_is_not_read(raw: str):
    with pytest.raises(Unread):
        shell().text(raw)


def test_an_address_in_brackets_may_be_the_name_of_a_file():
    with pytest.raises(Unread, match="file"):
        shell(ENV, "::80").text("[::]:80")


def test_without_a_home_there_is_no_tilde():
    with pytest.raises(Unread):
        shell({}).text("~/x")
