"""What `oxtrio doctor` says of one subject."""

from dataclasses import dataclass
from enum import StrEnum, auto


class Verdict(StrEnum):
    """How it stands."""

    GOOD = auto()
    WEAKER = auto()
    """It works, and something else would be better; nothing has to be done."""
    WRONG = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One subject: what is in force, and what to do where that is not the best."""

    subject: str
    verdict: Verdict
    text: str
    hint: str = ""


def good(subject: str, text: str) -> Diagnosis:
    return Diagnosis(subject=subject, verdict=Verdict.GOOD, text=text)


def weaker(subject: str, text: str, hint: str = "") -> Diagnosis:
    return Diagnosis(subject=subject, verdict=Verdict.WEAKER, text=text, hint=hint)


def wrong(subject: str, text: str, hint: str = "") -> Diagnosis:
    return Diagnosis(subject=subject, verdict=Verdict.WRONG, text=text, hint=hint)
