"""Why a run ended, as far as its exit and its last lines tell."""

import re
from collections.abc import Callable
from signal import Signals

from oxtrio.model.exit import signal_name
from oxtrio.policy.complaints import complaint_of
from oxtrio.policy.evidence import Cause, WhyFacts, oxfile_line
from oxtrio.policy.quantities import megabytes
from oxtrio.policy.symptoms import (
    program_not_executable,
    program_not_found,
    program_of,
    words_of,
)

Recognise = Callable[[WhyFacts], Cause | None]

# `http://user:password@host`: the password is for the server alone.
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#]*@")


def cause_of(facts: WhyFacts) -> Cause | None:
    """Why the last run ended; None where none has ended, or it ended as it was meant to."""
    return next(filter(None, (recognise(facts) for recognise in RECOGNISED)), None)


def _env_file(facts: WhyFacts) -> Cause | None:
    if not facts.env_file_error:
        return None
    path = facts.env_file_error.partition(":")[0].strip("'\" ")
    return Cause(
        f"env file: {facts.env_file_error}",
        f"It was not started because an env file cannot be read: {facts.env_file_error}.",
        (f"create {path}, or correct env_file of [processes.{facts.spec.name}] in the oxfile",),
    )


def _ended_by_oxtrio(facts: WhyFacts) -> Cause | None:
    why = facts.ended_because
    if not why:
        return None
    if why.startswith("memory "):
        hints: tuple[str, ...] = (
            oxfile_line(facts, "limits = { memory_mb = … }  (more, if it needs more)"),
            f"oxtrio logs {facts.name} --lines 200",
        )
    elif why.startswith("cpu "):
        hints = (oxfile_line(facts, "limits = { cpu_percent = … }  (more, if it needs more)"),)
    else:
        hints = health_hints(facts)
    return Cause(why, f"oxtrio ended its last run: {why}.", hints)


def health_hints(facts: WhyFacts) -> tuple[str, ...]:
    """How to ask what the health check of the app asks."""
    health = facts.spec.health
    if health is None:
        return ()
    endpoint = _PASSWORD.sub(r"\1:…@", health.endpoint or "")
    check = endpoint or " ".join(words_of(health.command or ""))
    tool = f"curl -i {check}" if check.startswith("http") else f"the health check is: {check}"
    return tool, f"oxtrio logs {facts.name} --lines 200"


def _spawn_error(facts: WhyFacts) -> Cause | None:
    error = facts.exit.spawn_error if facts.exit else ""
    if not error:
        return None
    hints: tuple[str, ...] = ()
    if error.startswith("working_dir"):
        hints = (f"mkdir -p {facts.spec.working_dir}, or correct working_dir in the oxfile",)
    elif "not executable" in error:
        hints = (f"chmod +x {program_of(facts.spec.command)}",)
    elif "user" in error or "group" in error:
        hints = (f"correct user and group of [processes.{facts.spec.name}], or create the account",)
    elif "interpreter" in error:
        hints = ("correct the #! line of the program, or install its interpreter",)
    elif "not found" in error:
        hints = _ways_to_get(facts, program_of(facts.spec.command))
    return Cause(error, f"It could not be started: {error}.", hints)


def _not_found(facts: WhyFacts) -> Cause | None:
    if _code(facts) != 127:
        return None
    program = program_not_found(facts.end_lines) or program_of(facts.spec.command)
    return Cause(
        f"command not found: {program}",
        f"Its command was not found (exit code 127): there is no program '{program}' in its PATH."
        if "/" not in program
        else f"Its command was not found (exit code 127): there is no '{program}', seen from "
        f"{facts.spec.working_dir}, or the interpreter in its #! line does not exist.",
        _ways_to_get(facts, program),
    )


def _ways_to_get(facts: WhyFacts, program: str) -> tuple[str, ...]:
    if facts.in_venv:
        return (oxfile_line(facts, f'venv = "{facts.in_venv}"'),)
    if "/" in program:
        return (f"ls -l {program}", "correct command or working_dir in the oxfile")
    if facts.spec.venv:
        return (f"{facts.spec.venv}/bin/pip install {program}",)
    return (
        f"install {program}, or give its full path in command",
        oxfile_line(facts, 'venv = "…"  (where it is installed in a virtual environment)'),
    )


def _not_executable(facts: WhyFacts) -> Cause | None:
    if _code(facts) != 126:
        return None
    program = program_not_executable(facts.end_lines) or program_of(facts.spec.command)
    return Cause(
        f"not executable: {program}",
        f"Its command was found, but cannot be executed (exit code 126): '{program}' lacks the "
        "permission to execute, is a folder, or has no #! line.",
        (f"chmod +x {program}", f"head -1 {program}  (a script begins with #!, as #!/bin/sh)"),
    )


def _killed(facts: WhyFacts) -> Cause | None:
    if facts.exit is None or facts.exit.signal != Signals.SIGKILL or facts.exit.sent_by_us:
        return None
    held = f" It used {megabytes(facts.memory_at_end)} then." if facts.memory_at_end else ""
    if facts.oom:
        return Cause(
            "killed by SIGKILL: out of memory",
            f"Its last run was killed by the kernel because memory ran out (SIGKILL).{held}",
            (
                "give the machine or the container more memory, or the app less to do",
                oxfile_line(facts, "limits = { memory_mb = … }  (an orderly restart before that)"),
            ),
        )
    return Cause(
        "killed by SIGKILL, not sent by oxtrio",
        "Its last run was killed by SIGKILL, which oxtrio did not send: somebody ran `kill -9`, "
        f"or the kernel ran out of memory.{held}",
        ("dmesg | grep -i -E 'out of memory|killed process'",),
    )


def _signalled(facts: WhyFacts) -> Cause | None:
    exit = facts.exit
    if exit is None or exit.signal is None:
        return None
    name = signal_name(exit.signal)
    meaning = FATAL.get(name, "")
    core = " A core file was written: `coredumpctl info`." if exit.core else ""
    if meaning:
        return Cause(
            f"killed by {name}",
            f"Its last run was killed by {name}: {meaning}.{core}",
            (oxfile_line(facts, 'env = { PYTHONFAULTHANDLER = "1" }  (shows where)'),),
        )
    by = "by oxtrio" if exit.sent_by_us else "not by oxtrio"
    return Cause(f"killed by {name}", f"Its last run was ended by {name}, sent {by}.{core}")


FATAL = {
    "SIGSEGV": "it touched memory that it does not have, mostly a bug in a C extension",
    "SIGABRT": "it gave up by itself, mostly a failed check in a C library",
    "SIGBUS": "it touched memory that is not there, mostly a file that was cut short",
    "SIGILL": "it met an instruction that this CPU does not have",
    "SIGFPE": "it divided by zero in native code",
    "SIGSYS": "it made a system call that is forbidden here",
}


def _any_exit(facts: WhyFacts) -> Cause | None:
    exit = facts.exit
    if exit is None or exit.succeeded(facts.spec.restart.success_codes):
        return None
    if exit.code is None:
        return Cause(str(exit), "Its last run ended, and nobody knows how.")
    signal = exit.code - 128
    if signal in set(Signals):
        name = signal_name(signal)
        text = f"Its last run ended with {exit}: a process in it was killed by {name}."
        if facts.oom:
            text += " The kernel killed a process because memory ran out."
        return Cause(f"{exit} ({name})", text)
    return Cause(str(exit), f"Its last run ended with {exit}.")


RECOGNISED: tuple[Recognise, ...] = (
    _env_file,
    _ended_by_oxtrio,
    _spawn_error,
    _not_found,
    _not_executable,
    _killed,
    _signalled,
    complaint_of,
    _any_exit,
)
"""In this order: what is certain before what is read from the output."""


def _code(facts: WhyFacts) -> int | None:
    return facts.exit.code if facts.exit else None
