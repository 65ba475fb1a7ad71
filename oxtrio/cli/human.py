"""Numbers as people read them."""

_STEPS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def memory(size: int | None) -> str:
    """`210 MB`; a megabyte has 1024 × 1024 bytes, as in the oxfile."""
    if size is None:
        return "-"
    if size < 1024**2:
        return f"{size / 1024:.0f} KB"
    if size < 1000 * 1024**2:
        return f"{size / 1024**2:.0f} MB"
    return f"{size / 1024**3:.1f} GB"


def percent(value: float | None) -> str:
    """`3.2%`."""
    return "-" if value is None else f"{value:.1f}%"


def span(seconds: float | None) -> str:
    """`2d 6h`: the two largest units."""
    if seconds is None:
        return "-"
    left = int(seconds)
    parts: list[str] = []
    for size, unit in _STEPS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return " ".join(filter(None, parts[:2])) or "0s"


def seconds(value: float) -> str:
    """`30 s`, `2.5 s`."""
    return f"{value:g} s"
