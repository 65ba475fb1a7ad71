"""Amounts as sentences name them."""

MEGABYTE = 1024 * 1024

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """`20 ms`, `0.3 s`, `12 s`, `3 min 20 s`, `2 d 6 h`: the two greatest units."""
    if 0.0005 < seconds < 0.0995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f}".removesuffix(".0") + " s"
    left = round(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        amount, left = divmod(left, size)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
    return " ".join(filter(None, parts[:2]))


def megabytes(size: int) -> str:
    """`612 MB`, in units of 1024 * 1024 bytes as in the oxfile."""
    return f"{size / MEGABYTE:.0f} MB"


def exceeding(size: int, limit: int) -> str:
    """`612 MB > 512 MB`; with a decimal where the two would look the same."""
    if megabytes(size) != megabytes(limit):
        return f"{megabytes(size)} > {megabytes(limit)}"
    return f"{size / MEGABYTE:.2f} MB > {limit / MEGABYTE:.2f} MB"


def counted(number: int, noun: str) -> str:
    """`1 process`, `2 processes`, `3 failures`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun}es" if noun.endswith("s") else f"{number} {noun}s"
