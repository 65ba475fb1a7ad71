"""Why a run failed, as far as its last lines tell."""

from collections.abc import Callable

from oxtrio.policy.addresses import (
    address_in_use,
    is_address_in_use,
    refused_connection,
)
from oxtrio.policy.evidence import Cause, WhyFacts, oxfile_line
from oxtrio.policy.symptoms import (
    denied_path,
    final_exception,
    missing_module,
    missing_name,
    syntax_error,
    words_of,
)

Recognise = Callable[[WhyFacts], Cause | None]


def complaint_of(facts: WhyFacts) -> Cause | None:
    """What a run that ended by itself, and not as meant, complained of; None: nothing known."""
    exit = facts.exit
    if exit is None or exit.code is None or exit.succeeded(facts.spec.restart.success_codes):
        return None
    return next(filter(None, (recognise(facts) for recognise in RECOGNISED)), None)


def _address_in_use(facts: WhyFacts) -> Cause | None:
    if not is_address_in_use(facts.end_lines):
        return None
    found = address_in_use(facts.end_lines, facts.spec.command)
    where = "its address" if found is None else _shown(*found)
    owner = facts.listener
    if owner is None:
        find = (f"ss -ltnp 'sport = :{found[1]}'",) if found else ("ss -ltnp",)
        text = f"It could not listen on {where}: the address was in use."
        return Cause(f"address in use: {where}", text, find)
    who = f"{owner.name or 'a process'} (pid {owner.pid})" if owner.pid else "a process"
    of = f" of uid {owner.uid}" if owner.uid is not None and not owner.pid else ""
    does = f", `{owner.command}`" if owner.command else ""
    return Cause(
        f"address {where} in use by {who}{of}",
        f"It could not listen on {where}: the address is in use by {who}{of}{does}.",
        (f"kill {owner.pid}  (if that process is not needed)",) * bool(owner.pid)
        + ("give the app another port",),
    )


def _shown(host: str | None, port: int) -> str:
    if host is None:
        return f"port {port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _module(facts: WhyFacts) -> Cause | None:
    module = missing_module(facts.end_lines)
    if module is None:
        return None
    top = module.partition(".")[0]
    text = f"It could not import the Python module '{module}'"
    if _is_its_own(facts, top):
        text += f", which its command names and which is not in {facts.spec.working_dir}."
        hints = (
            oxfile_line(facts, f'working_dir = "…"  (the folder that holds {top})'),
            oxfile_line(facts, 'env = { PYTHONPATH = "…" }'),
        )
        return Cause(f"no Python module '{module}'", text, hints)
    return Cause(f"no Python module '{module}'", text + ".", _ways_to_install(facts, top))


def _is_its_own(facts: WhyFacts, top: str) -> bool:
    """Whether the command names the module as what is to be served, as `uvicorn main:app` does."""
    words = words_of(facts.spec.command)
    tools = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "-m"}
    return any(
        word.partition(":")[0].partition(".")[0] == top for word in words[1:] if word not in tools
    )


def _ways_to_install(facts: WhyFacts, package: str) -> tuple[str, ...]:
    if facts.spec.venv:
        return (f"{facts.spec.venv}/bin/pip install {package}",)
    if facts.in_venv:
        return (oxfile_line(facts, f'venv = "{facts.in_venv}"'),)
    return (
        oxfile_line(facts, f'venv = "…"  (the virtual environment that has {package})'),
        f"pip install {package}",
        oxfile_line(facts, 'env = { PYTHONPATH = "…" }  (where it is a module of your own)'),
    )


def _name(facts: WhyFacts) -> Cause | None:
    missing = missing_name(facts.end_lines)
    if missing is None:
        return None
    return Cause(
        f"nothing called {missing}",
        f"It found its module, but nothing called {missing}.",
        ("correct the name in the command or in the import",),
    )


def _syntax(facts: WhyFacts) -> Cause | None:
    found = syntax_error(facts.end_lines)
    if found is None:
        return None
    place, error = found
    at = f" at {place}" if place else ""
    return Cause(f"{error}{at}", f"Its program has an error{at}: `{error}`.")


def _refused_connection(facts: WhyFacts) -> Cause | None:
    address = refused_connection(facts.end_lines)
    if address is None:
        return None
    what = SERVED.get(address.rpartition(":")[2], "")
    where = (f"{what} at {address}" if what else address) or "a server that it needs"
    waits = 'depends_on = ["…"]  (where that server is an app of this oxfile)'
    return Cause(
        f"cannot connect to {where}",
        f"It could not connect to {where}: connection refused, so nothing listens there.",
        (f"start {what or 'the server'}, or correct its address", oxfile_line(facts, waits)),
    )


SERVED = {
    "5432": "PostgreSQL",
    "6379": "Redis",
    "5672": "RabbitMQ",
    "3306": "MySQL",
    "27017": "MongoDB",
    "11211": "memcached",
}
"""What usually listens on a port."""


def _denied(facts: WhyFacts) -> Cause | None:
    path = denied_path(facts.end_lines)
    if path is None:
        return None
    user = facts.spec.identity.user
    who = f", running as user '{user}'" if user else ""
    return Cause(
        f"permission denied: {path}",
        f"It may not use '{path}'{who}: permission denied.",
        (f"ls -ld {path}",),
    )


def _exception(facts: WhyFacts) -> Cause | None:
    error = final_exception(facts.end_lines)
    if error is None:
        return None
    return Cause(error, f"Its last run ended with {facts.exit} and the exception `{error}`.")


RECOGNISED: tuple[Recognise, ...] = (
    _address_in_use,
    _module,
    _name,
    _syntax,
    _refused_connection,
    _denied,
    _exception,
)
"""The more special before the more general: most of them end in an exception too."""
