"""How a run ended, in words and as a shell would say it."""

import pytest

from oxtrio.model.exit import Exit, signal_name


@pytest.mark.parametrize(
    ("exit", "text", "code"),
    [
        (Exit(code=0), "exit code 0", 0),
        (Exit(code=7), "exit code 7", 7),
        (Exit(signal=9), "killed by SIGKILL", 137),
        (Exit(signal=11, core=True), "killed by SIGSEGV (core dumped)", 139),
        (Exit(signal=42), "killed by signal 42", 170),
        (Exit(), "exit code unknown", 1),
        (Exit(spawn_error="command 'x' not found"), "command 'x' not found", 1),
    ],
)
def test_an_exit_is_told_in_words_and_as_a_shell_code(exit: Exit, text: str, code: int):
    assert str(exit) == text
    assert exit.shell_code == code


@pytest.mark.parametrize("code", range(256))
def test_only_the_named_codes_are_a_success(code: int):
    assert Exit(code=code).succeeded((0, 3)) is (code in (0, 3))


def test_a_signal_and_an_unknown_exit_are_never_a_success():
    assert not Exit(signal=15).succeeded((0, 15))
    assert not Exit().succeeded((0,))


def test_a_signal_without_a_name_is_shown_by_its_number():
    assert signal_name(15) == "SIGTERM"
    assert signal_name(60) == "signal 60"
