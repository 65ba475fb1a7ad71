"""What an operator asks is carried out here, each order in a task of its own.

The task belongs to the supervisor, not to the client that asked: a client that goes away
ends the waiting, never the operation.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from oxtrio.errors import OxtrioError, UsageError
from oxtrio.model.order import Failure, Order, Report, Step, Verb
from oxtrio.model.state import SERVING, State
from oxtrio.policy.causes import cause_of
from oxtrio.policy.evidence import Cause
from oxtrio.process.instance import Instance
from oxtrio.process.life import Life, Outcome
from oxtrio.process.past import PastRun
from oxtrio.process.standing import Standing
from oxtrio.supervisor.reasons import facts_of, facts_of_past

if TYPE_CHECKING:
    from oxtrio.supervisor.supervisor import Supervisor

Tell = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Errand:
    """One order on its way: who carries it out, what it says, whom to tell."""

    supervisor: "Supervisor"
    order: Order
    tell: Tell

    def life(self, cause: str) -> Life:
        """A new life, with the environment that the order brings or the supervisor keeps."""
        return Life(cause=cause, inherited=self.supervisor.environ)


Carry = Callable[[Errand], Awaitable[Report]]


async def carry_out(carry: Mapping[Verb, Carry], errand: Errand) -> Report:
    """The report of one order. Raises `OxtrioError`; cancelling gives the operation up."""
    if errand.supervisor.stopping and errand.order.verb in _NOT_WHILE_STOPPING:
        raise OxtrioError("the supervisor is stopping", "wait for it to end, then: oxtrio start")
    if errand.order.env is not None:
        errand.supervisor.environ = dict(errand.order.env)
    report = await carry[errand.order.verb](errand)
    if errand.order.verb in _WISHES:
        # What was answered is what an operator relies on, whatever happens to us.
        errand.supervisor.remember()
        await errand.supervisor.remembered()
    return report


_WISHES = frozenset(
    {Verb.START, Verb.STOP, Verb.RESTART, Verb.RELOAD, Verb.SCALE, Verb.DRAIN, Verb.RESUME}
)
"""What changes what is wanted."""

_NOT_WHILE_STOPPING = frozenset({Verb.START, Verb.RESTART, Verb.RELOAD, Verb.SCALE, Verb.UPGRADE})


def step_of(instance: Standing) -> Step:
    """What an instance is now, as progress."""
    pid = instance.pid
    return Step(name=instance.name, state=instance.shown, reason=instance.reason, pid=pid)


def failure_of(instance: Standing, reason: str, hint: str = "") -> Failure:
    """Why it failed for *instance*, with its last words."""
    lines = instance.past.last_lines if instance.past else ()
    # How a run ended that an operator stopped is no cause of anything.
    failed = instance.past is not None and instance.state is not State.STOPPED
    cause = cause_of(facts_of(instance)) if failed and reason == instance.reason else None
    return Failure(
        name=instance.name,
        reason=cause.short if cause else reason,
        hint=hint or f"oxtrio why {instance.name}",
        last_lines=lines[-10:],
    )


def failure_of_newcomer(instance: Standing, life: Life) -> Failure:
    """Why a newcomer did not take over, with its last words; what runs is not concerned."""
    past = life.rejected
    cause = cause_of(facts_of_past(instance, past)) if past is not None else None
    serves = f"; {instance.name} runs on as it was" if instance.state in SERVING else ""
    return Failure(
        name=instance.name,
        reason=f"the newcomer failed: {cause.short if cause else life.reason}{serves}",
        hint=life.hint or _hint_about(instance, past, cause),
        last_lines=past.last_lines[-10:] if past is not None else (),
    )


def _hint_about(instance: Standing, past: PastRun | None, cause: Cause | None) -> str:
    if past is None or past.fault or cause is None or not cause.hints:
        # To ask its address would be to ask the run that is still there.
        return f"oxtrio logs {instance.name} --lines 100"
    return cause.hints[0]


async def wait_lives(errand: Errand, lives: Mapping[Instance, Life]) -> list[Failure]:
    """Wait until each life has shown how it goes; who failed is returned.

    A life that is not up after the app's own `ready_timeout_secs` has failed for this order,
    and goes on trying. Cancelling ends the waiting.
    """
    failures: dict[Instance, Failure] = {}

    async def wait_one(instance: Instance, life: Life) -> None:
        failure = await _outcome(instance, life)
        errand.tell(step_of(instance))
        if failure is not None:
            failures[instance] = failure

    async with trio.open_nursery() as nursery:
        telling = trio.CancelScope()
        nursery.start_soon(_tell_steps, errand, list(lives), telling)
        async with trio.open_nursery() as waiting:
            for instance, life in lives.items():
                waiting.start_soon(wait_one, instance, life)
        telling.cancel()
    return [failures[instance] for instance in lives if instance in failures]


async def _outcome(instance: Instance, life: Life) -> Failure | None:
    timeout = instance.spec.ready.timeout
    if life.outcome is Outcome.FAILED and instance.life is life and instance.state in SERVING:
        return None  # its first run had failed before anybody asked; one since then is up
    with trio.move_on_after(timeout):
        await life.settled.wait()
        match life.outcome:
            case Outcome.FAILED:
                return failure_of(instance, life.reason, life.hint)
            case Outcome.CANCELLED:
                return failure_of(instance, life.reason or "stopped before it was up")
            case _:
                return None
    if instance.state is State.BLOCKED:
        return failure_of(instance, instance.reason)
    answer = instance.run.last_answer if instance.run else None
    detail = f"; last health answer: {answer}" if answer else ""
    return failure_of(instance, f"not ready within {timeout:g} s{detail}")


async def _tell_steps(errand: Errand, instances: list[Instance], scope: trio.CancelScope) -> None:
    """Tell every change of state while somebody waits."""
    meant: set[Standing] = set(instances)
    with scope, errand.supervisor.changes.subscribe() as changes:
        async for instance in changes:
            if instance in meant:
                errand.tell(step_of(instance))


async def wait_down(errand: Errand, instances: list[Instance]) -> list[Failure]:
    """Wait until each is down; what survives SIGKILL is returned as a failure."""
    failures: list[Failure] = []
    for instance in instances:
        await instance.wait(
            lambda each=instance: each.is_down or each.state is State.STUCK or each.wanted  # type: ignore[misc]
        )
        errand.tell(step_of(instance))
        if instance.state is State.STUCK:
            failures.append(Failure(name=instance.name, reason=instance.reason))
    return failures


def require(condition: bool, message: str, hint: str = "") -> None:
    """Raise `UsageError` unless *condition* holds."""
    if not condition:
        raise UsageError(message, hint)
