"""The figures of a soak, as a table."""

import statistics
from itertools import pairwise

from benchmarks.soak.plan import Kind
from benchmarks.soak.soak import Size, Soak
from benchmarks.table import Table

ABOUT = (
    "A stack under load ({server} on a held port, a server on a Unix socket, writers with "
    "rotation, one that crashes again and again, one-shots, an app that is deaf to SIGTERM, one "
    "with a daemon) for {seconds:.0f} s, while something is done to it about every second, at "
    "random (seed {seed}). In the last 40 % of the time the supervisor itself is left alone, to "
    "see how it grows."
)


def table_of(soak: Soak, seed: int) -> Table:
    server = "uvicorn" if soak.stack.is_uvicorn else "a small server"
    about = ABOUT.format(server=server, seconds=soak.found.seconds, seed=seed)
    table = Table("Soak", about, header=("what", "figure"), right=(1,))
    for part in (_acts, _lines, _requests, _processes, _supervisor):
        table.rows += part(soak)
    if soak.havoc.disk is None:
        table.note("without full disks: this user may not mount a file system of its own")
    if soak.havoc.jump is None:
        table.note("without jumps of the clock: there is no C compiler")
    return table


Rows = list[tuple[str, ...]]


def _acts(soak: Soak) -> Rows:
    done = soak.havoc.done
    return [(kind.value, f"{done[kind]:,}") for kind in Kind if done[kind]]


def _lines(soak: Soak) -> Rows:
    rows: Rows = []
    kept = [each for each in soak.witness.lines if not each.log.may_skip]
    courses = [course for each in kept for course in each.ledger.courses.values()]
    rows.append(("lines written", f"{sum(each.written for each in kept):,}"))
    rows.append(("of them found, once, whole and in order", f"{sum(c.found for c in courses):,}"))
    excused = sum(course.excused for course in courses)
    rows.append(("missing", f"{sum(course.missing for course in courses) - excused:,}"))
    rows.append(
        ("lost with an app that ended while keeper and supervisor were dead", f"{excused:,}")
    )
    rows.append(("cut, as their writer was killed in the middle", f"{_cut(soak):,}"))
    for each in soak.witness.lines:
        if each.log.may_skip:
            dropped = sum(course.missing for course in each.ledger.courses.values())
            rows.append(('lines written with `when_full = "drop"`', f"{each.written:,}"))
            rows.append(("of them dropped on the full disk", f"{dropped:,}"))
            rows.append(("of them counted in the log itself", f"{each.ledger.told:,}"))
    return rows


def _cut(soak: Soak) -> int:
    return sum(each.ledger.cut for each in soak.witness.lines)


def _requests(soak: Soak) -> Rows:
    rows: Rows = []
    for name, found in soak.found.requests.items():
        what = {"web": "over TCP", "local": "over a Unix socket"}[name]
        ends, exposed = soak.havoc.ends[name], found.exposed.total()
        rows.append((f"requests {what}, answered", f"{found.answered:,}"))
        rows.append(("refused", f"{found.failed['refused']:,}"))
        rows.append((f"lost with a run that was ended ({ends})", f"{found.failures:,}"))
        rows.append(("failed while neither keeper nor supervisor held it", f"{exposed:,}"))
        rows.append(("slowest answer", f"{found.longest * 1000:,.0f} ms"))
    return rows


def _processes(soak: Soak) -> Rows:
    population = soak.population
    leaders = sum(len(keys) for keys in population.leaders.values())
    commands = soak.service.ended
    failed = commands.total() - commands[0]
    return [
        ("looks at all processes", f"{population.looks:,}"),
        ("runs seen", f"{leaders:,}"),
        ("instances that lived twice", f"{population.twice:,}"),
        ("zombies that nobody waited for", f"{population.unreaped:,}"),
        ("processes left after `oxtrio stop`", f"{len(soak.found.left):,}"),
        ("looks at state.json and at records of runs, all whole", f"{soak.witness.state_looks:,}"),
        (
            "commands, of them failed (somebody was just killed)",
            f"{commands.total():,}, {failed:,}",
        ),
        ("what was wrong", f"{len(soak.complaints.found):,}"),
    ]


def _supervisor(soak: Soak) -> Rows:
    rows: Rows = []
    back = soak.found.back
    if back:
        middle, worst = statistics.median(back) * 1000, max(back) * 1000
        rows.append(("until a supervisor served again, median", f"{middle:,.0f} ms"))
        rows.append(("until a supervisor served again, worst", f"{worst:,.0f} ms"))
    return rows + (_growth(soak.found.sizes) if len(soak.found.sizes) > 3 else [])


def _growth(sizes: list[Size]) -> Rows:
    """From the first to the last; between the last three the supervisor was the same."""
    descriptors = " → ".join(str(size.descriptors) for size in sizes)
    keepers = " → ".join(str(size.keepers) for size in sizes)
    memory = " → ".join(f"{size.mebibytes:.1f}" for size in sizes)
    events = sizes[-1].events - sizes[-3].events
    grown = ", then ".join(
        f"{1000 * (after.mebibytes - before.mebibytes) / max(1, after.events - before.events):.1f}"
        for before, after in pairwise(sizes[-3:])
    )
    return [
        ("descriptors of the supervisor: start → left alone → halfway → end", descriptors),
        ("descriptors of the keeper", keepers),
        ("RSS of the supervisor, MiB", memory),
        ("events while it was left alone", f"{events:,}"),
        ("its growth in 1,000 events, MiB", grown),
    ]
