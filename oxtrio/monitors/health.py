"""Asks every run that has a health check how it is, and tells the run what that means."""

from collections.abc import AsyncIterable
from typing import Never
from zlib import crc32

import trio

from oxtrio.model.exit import signal_name
from oxtrio.model.health import Answer, CommandResult
from oxtrio.model.spec import HealthSpec, OnUnhealthy
from oxtrio.monitors.target import Report, Run
from oxtrio.policy.health import (
    BecameReady,
    HealthRecord,
    NeverReady,
    Unwell,
    Verdict,
    Well,
    after_probe,
    next_probe_in,
)
from oxtrio.system.probes import probe


async def watch_health(runs: AsyncIterable[Run], report: Report) -> Never:
    """Probe every run that *runs* yields, each on its own, until it has ended.

    No probe waits for another app's, and a run is asked one question at a time. A bug is
    handed to *report* and costs nothing but the probes of that run for one interval.
    Cancelling ends all probes at once and changes nothing.
    """
    async with trio.open_nursery() as nursery:
        async for run in runs:
            if run.health is not None:
                nursery.start_soon(_watch_one, run, run.health, report)
        await trio.sleep_forever()
    raise AssertionError("sleep_forever has returned")


async def _watch_one(run: Run, spec: HealthSpec, report: Report) -> None:
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def end_with_the_run() -> None:
            await run.ended.wait()
            nursery.cancel_scope.cancel()

        while True:
            try:
                await watch_run(run, spec)
                break
            except Exception as bug:  # noqa: BLE001 - one app's probing must not end the others'
                report(f"the health check of {run.name} failed and starts again", bug)
            await trio.sleep(spec.interval)
        nursery.cancel_scope.cancel()


async def watch_run(run: Run, spec: HealthSpec) -> None:
    """Probe *run* and tell it what that means; returns when there is nothing left to ask.

    That is when it never became ready, or is to be restarted because it is unwell.
    Cancelling ends the probe under way, whose answer then counts for nothing.
    """
    record = HealthRecord(ready=run.ready, passed=run.ready, unwell=run.unhealthy)
    jitter = crc32(run.name.encode()) / 2**32
    await trio.sleep_until(run.spawned_at + spec.initial_delay)
    while True:
        answer = await _ask(run, spec)
        if answer is not None:
            since_spawn = trio.current_time() - run.spawned_at
            record, verdict = after_probe(spec, record, answer, since_spawn)
            run.answered(answer)
            _tell(run, verdict)
            if _is_final(spec, verdict):
                return
        await trio.sleep(next_probe_in(spec, record, jitter))


async def _ask(run: Run, spec: HealthSpec) -> Answer | None:
    """The answer of *run*, or None where it could not be asked in earnest."""
    if run.paused:
        return None
    if spec.endpoint is not None:
        answer = await probe(spec.endpoint, spec, run.connect)
    else:
        assert spec.command is not None
        answer = answer_of(await run.run_command(spec.command, spec.timeout), spec)
    # What was paused or has ended meanwhile was in no position to answer.
    return None if run.paused or run.ended.is_set() else answer


def answer_of(result: CommandResult, spec: HealthSpec) -> Answer:
    """What the end of a health command means; a failure quotes its last line of output."""
    if result.error:
        return Answer(False, result.error)
    if result.timed_out:
        text = f"timed out after {spec.timeout:g} s"
    elif result.signal is not None:
        text = f"killed by {signal_name(result.signal)}"
    elif result.code == 0:
        return Answer(True, "exit code 0")
    else:
        text = "exit code unknown" if result.code is None else f"exit code {result.code}"
        text += {127: " (command not found)", 126: " (not executable)"}.get(result.code or 0, "")
    said = _last_line(result.output_tail)
    return Answer(False, f"{text}: {said}" if said else text)


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").split("\n")
    printable = ("".join(filter(str.isprintable, line)).strip() for line in reversed(lines))
    return next(filter(None, printable), "")[:200]


def _tell(run: Run, verdict: Verdict | None) -> None:
    match verdict:
        case BecameReady():
            run.became_ready()
        case NeverReady(why):
            run.never_ready(why)
        case Unwell(why):
            run.unwell(why)
        case Well():
            run.well()


def _is_final(spec: HealthSpec, verdict: Verdict | None) -> bool:
    if isinstance(verdict, Unwell):
        return spec.on_unhealthy is OnUnhealthy.RESTART
    return isinstance(verdict, NeverReady)
