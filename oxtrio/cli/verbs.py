"""What can be called, in the order in which help lists it, and which module holds it."""

GROUPS: dict[str, dict[str, str]] = {
    "Run": {
        "run": "running",
        "start": "lifecycle",
        "stop": "lifecycle",
        "restart": "lifecycle",
        "reload": "lifecycle",
    },
    "Look": {
        "status": "status",
        "logs": "logs",
        "events": "history",
        "why": "history",
        "ls": "projects",
        "doctor": "doctor",
    },
    "Steer": {
        "wait": "steering",
        "signal": "steering",
        "scale": "scaling",
        "drain": "serving",
        "pause": "serving",
        "resume": "serving",
        "reset": "steering",
        "upgrade": "upgrading",
    },
    "Oxfile": {"validate": "projects", "schema": "projects"},
}

ALIASES = {"runtime": "running"}
"""Other names of commands: they work, and help does not list them."""

MODULES = {verb: module for group in GROUPS.values() for verb, module in group.items()} | ALIASES

LATER = frozenset(
    ("errors", "crashes", "top", "exec", "attach", "test")
    + ("plan", "diff", "apply", "rollback", "init", "add", "remove", "import", "export", "convert")
    + ("service", "dashboard", "shell")
)
"""Commands that oxtrio will have; each says so instead of `no such command`."""

LATER_OPTIONS = {
    "--tree": {"status"},
    "--watch": {"run", "runtime"},
    "--env": {"run", "runtime", "start", "restart", "reload", "validate"},
}
"""The same for options, with the commands that will have them."""


def modules_for(words: list[str]) -> set[str]:
    """The modules that a command line can need: importing only these keeps it fast.

    All of them where no word of it is a command, as help and typing mistakes need them.
    """
    return {MODULES[word] for word in words if word in MODULES} or set(MODULES.values())
