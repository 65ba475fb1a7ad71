"""The guest book, and what shows how it is supervised."""

import os
import time

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from guestbook.models import Entry

STARTED = time.monotonic()
LONGEST_SECS = 20
leaked: list[bytearray] = []


@require_http_methods(["GET", "POST"])
def entries(request: HttpRequest) -> JsonResponse:
    """GET shows who was here; POST with `name` signs the book."""
    if request.method == "POST":
        Entry.objects.create(name=request.POST.get("name", "somebody")[:100])
    names = list(Entry.objects.order_by("id").values_list("name", flat=True))
    return JsonResponse({"entries": names, "pid": os.getpid()})


@require_GET
def health_check(request: HttpRequest) -> JsonResponse:
    """Well means that the database and the cache both work; 503 otherwise."""
    checks = {"database": database_state(), "cache": cache_state()}
    well = set(checks.values()) == {"ok"}
    return JsonResponse(
        {
            "status": "ok" if well else "degraded",
            "uptime_secs": round(time.monotonic() - STARTED),
            "checks": checks,
        },
        status=200 if well else 503,
    )


def database_state() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return str(error)
    return "ok"


def cache_state() -> str:
    cache.set("health_check", "ok", timeout=5)
    return cache.get("health_check", "the cache forgets")


@require_GET
def slow(request: HttpRequest) -> JsonResponse:
    """Take `secs` seconds to answer: a restart meanwhile waits for the answer."""
    secs = min(float(request.GET.get("secs", "3")), LONGEST_SECS)
    print(f"a request of {secs:g} s begins")
    time.sleep(secs)
    return JsonResponse({"pid": os.getpid()})


@require_POST
def leak(request: HttpRequest) -> JsonResponse:
    """Hold `megabytes` for good, to see what the memory limit does about it."""
    leaked.append(bytearray(os.urandom(1024)) * (1024 * int(request.GET.get("megabytes", "500"))))
    return JsonResponse({"pid": os.getpid()})
