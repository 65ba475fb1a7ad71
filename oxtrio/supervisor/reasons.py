"""Gathers the evidence for `why`, and lets the policy explain it."""

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oxtrio.model.order import Why
from oxtrio.model.spec import ReloadManner
from oxtrio.model.state import State
from oxtrio.policy.addresses import address_in_use
from oxtrio.policy.causes import cause_of
from oxtrio.policy.command import program
from oxtrio.policy.evidence import Blocker, WhyFacts
from oxtrio.policy.explain import explain
from oxtrio.policy.quantities import duration
from oxtrio.process.past import PastRun
from oxtrio.process.standing import Standing
from oxtrio.supervisor.app import App
from oxtrio.supervisor.dependencies import default_condition
from oxtrio.system.listeners import owner_of
from oxtrio.system.threads import in_thread

VENVS = (".venv", "venv")


def facts_of(instance: Standing) -> WhyFacts:
    """What is known without asking the system."""
    run, past = instance.live_run, instance.past
    answer = run.last_answer if run is not None else None
    life = instance.life
    return WhyFacts(
        name=instance.name,
        state=instance.state,
        spec=instance.spec,
        reason=instance.reason,
        since=duration(_since(instance)),
        wanted=instance.wanted,
        exit=past.exit if past else None,
        ended_because=past.fault if past else "",
        lasted=past.lasted if past else None,
        last_lines=_last_lines(instance),
        lines_at_end=past.last_lines if past else None,
        last_health=answer or (past.last_answer if past else None),
        restarts=instance.restarts,
        failures=life.streak.failures if life else instance.failures,
        next_in=instance.next_in,
        oom=past.oom if past else False,
        memory_at_end=past.memory if past else None,
        pid=instance.pid,
    )


def _since(instance: Standing) -> float:
    """Seconds in its state; one that runs has run as long as its process, whoever adopted it."""
    if instance.state is State.RUNNING and instance.live_run is not None:
        return instance.live_run.record.record.age
    return max(0.0, time.time() - instance.since)


def facts_of_past(instance: Standing, past: PastRun) -> WhyFacts:
    """The same of a run that never was the instance's own: a newcomer that was rejected."""
    return replace(
        facts_of(instance),
        state=State.CRASHED,
        spec=past.spec or instance.spec,
        reason=past.why,
        exit=past.exit,
        ended_because=past.fault,
        lasted=past.lasted,
        last_lines=past.last_lines,
        lines_at_end=past.last_lines,
        last_health=past.last_answer,
        oom=past.oom,
        memory_at_end=past.memory,
        pid=None,
    )


async def why_of(instance: Standing, apps: Mapping[str, App]) -> Why:
    """The explanation of one instance. What reads much of /proc happens in a thread."""
    facts = replace(facts_of(instance), state=instance.shown, blocked_on=_blocker(instance, apps))
    facts = replace(facts, **_reached(instance))
    if instance.run is not None and instance.live_run is None:
        facts = replace(facts, leftovers=instance.run.left_behind())
    return explain(await in_thread(_investigate, facts, instance.number))


def _reached(instance: Standing) -> dict[str, Any]:
    """How clients reach it, and what became of the last reload."""
    serving, past = instance.serving, instance.rejected
    facts: dict[str, Any] = {}
    if instance.place is not None:
        facts["listens"] = tuple(map(str, instance.place.listens))
    if serving is not None and serving.succession.manner is ReloadManner.RESTART:
        facts |= {"gap": serving.succession.gap, "instead": serving.succession.instead}
    if past is not None:
        cause = cause_of(facts_of_past(instance, past))
        facts["rejected"] = cause.short if cause is not None else past.why
        facts["rejected_since"] = duration(max(0.0, time.time() - past.at))
    return facts


def _last_lines(instance: Standing) -> tuple[str, ...]:
    run, past = instance.live_run, instance.past
    if run is not None:
        return run.tail.lines(20)
    return past.last_lines if past else ()


def _blocker(instance: Standing, apps: Mapping[str, App]) -> Blocker | None:
    if instance.state is not State.BLOCKED:
        return None
    for name, condition in instance.spec.depends_on:
        app = apps.get(name)
        if app is not None and f"waits for {name} to" in instance.reason:
            worst = next((i for i in app.instances if i.state is not State.RUNNING), None)
            return Blocker(
                name=name,
                state=worst.state if worst else State.RUNNING,
                condition=condition or default_condition(app.spec),
                reason=worst.reason if worst else "",
            )
    return None


def _investigate(facts: WhyFacts, number: int) -> WhyFacts:
    address = address_in_use(facts.end_lines, facts.spec.command)
    if address is not None:
        facts = replace(facts, listener=owner_of(address[1], address[0]))
    return replace(
        facts,
        env_file_error=_env_file_error(facts.spec.env_files),
        in_venv=_in_venv(facts),
    )


def _env_file_error(paths: tuple[str, ...]) -> str:
    for path in paths:
        try:
            with open(path, "rb"):
                continue
        except OSError as error:
            return f"{path}: {error.strerror}"
    return ""


def _in_venv(facts: WhyFacts) -> str:
    """Where the program of the command is, when it is in a virtual environment beside it."""
    name = program(facts.spec.command)
    if not name or "/" in name or facts.spec.venv:
        return ""
    for venv in VENVS:
        if os.access(os.path.join(facts.spec.working_dir, venv, "bin", name), os.X_OK):
            return venv
    return ""
