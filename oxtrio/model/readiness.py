"""What can make a run ready."""

from enum import Enum, auto


class Test(Enum):
    """One readiness test; all that apply to a run must pass."""

    HEALTH = auto()
    NOTIFY = auto()
    LOG_LINE = auto()
    ACCEPT = auto()  # it accepts connections on its held address
    TIME = auto()  # none of these: it has lasted long enough
