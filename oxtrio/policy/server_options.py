"""All options of the known servers, and of the programs in front of them.

Taken from their own parsers (uvicorn 0.54, gunicorn 27.0, hypercorn 0.18, uv 0.13, CPython 3.14);
tests/policy/test_server_options.py compares them with what is installed. An option that is
missing here costs a gap at a reload; one that stands in the wrong list could cost an address.
"""

from typing import Final

from oxtrio.policy.options import Options


def _named(names: str) -> frozenset[str]:
    """`port b` becomes `--port` and `-b`."""
    return frozenset(f"-{name}" if len(name) == 1 else f"--{name}" for name in names.split())


UVICORN: Final = Options(
    flags=_named(
        "access-log date-header factory help http2 no-access-log no-date-header no-proxy-headers "
        "no-server-header no-use-colors proxy-headers reload reset-contextvars server-header "
        "use-colors version"
    ),
    valued=_named(
        "app-dir backlog env-file fd forwarded-allow-ips h11-max-incomplete-event-size header "
        "host http interface lifespan limit-concurrency limit-max-requests "
        "limit-max-requests-jitter log-config log-level loop port reload-delay reload-dir "
        "reload-exclude reload-include root-path ssl-ca-certs ssl-cert-reqs ssl-certfile "
        "ssl-ciphers ssl-keyfile ssl-keyfile-password ssl-version timeout-graceful-shutdown "
        "timeout-keep-alive timeout-worker-healthcheck uds workers ws ws-max-queue ws-max-size "
        "ws-per-message-deflate ws-ping-interval ws-ping-timeout"
    ),
)

GUNICORN: Final = Options(
    argparse=True,
    flags=_named(
        "D R capture-output casefold-http-method check-config daemon "
        "disable-redirect-access-to-syslog do-handshake-on-connect enable-backlog-metric "
        "enable-stdio-inheritance h help initgroups log-syslog no-control-socket no-sendfile "
        "permit-obsolete-folding permit-unconventional-http-method "
        "permit-unconventional-http-version preload print-config proxy-protocol reload "
        "reuse-port spew strip-header-spaces suppress-ragged-eofs v version"
    ),
    valued=_named(
        "access-logfile access-logformat asgi-disconnect-grace-period asgi-lifespan asgi-loop "
        "b backlog bind c ca-certs cert-reqs certfile chdir ciphers config control-socket "
        "control-socket-mode dirty-app dirty-graceful-timeout dirty-threads dirty-timeout "
        "dirty-workers dogstatsd-tags e env error-logfile forwarded-allow-ips forwarder-headers "
        "g graceful-timeout group header-map http-parser http-protocols http2-cleartext "
        "http2-initial-window-size http2-max-concurrent-streams http2-max-frame-size "
        "http2-max-header-list-size k keep-alive keyfile limit-request-field_size "
        "limit-request-fields limit-request-line log-config log-config-json log-file log-level "
        "log-syslog-facility log-syslog-prefix log-syslog-to logger-class m max-requests "
        "max-requests-jitter n name p paste paste-global paster pid protocol proxy-allow-from "
        "pythonpath reload-engine reload-extra-file root-path ssl-version statsd-host "
        "statsd-prefix t threads timeout u umask user uwsgi-allow-from w "
        "websocket-max-message-size worker-class worker-connections worker-tmp-dir workers"
    ),
)
"""`--proxy-protocol` may have a value: the next word, which is no option then, either way."""

HYPERCORN: Final = Options(
    argparse=True,
    flags=_named("D daemon debug h help reload"),
    valued=_named(
        "access-log access-logfile access-logformat b backlog bind c ca-certs cert-reqs certfile "
        "ciphers config error-log error-logfile g graceful-timeout group insecure-bind k "
        "keep-alive keyfile keyfile-password log-config log-file log-level m max-requests "
        "max-requests-jitter p pid quic-bind read-timeout root-path server-name statsd-host "
        "statsd-prefix u umask user verify-mode w websocket-ping-interval worker-class workers"
    ),
)

PYTHON: Final = Options(
    flags=_named("B E I O P R b d i q s u v x"),
    valued=_named("W X m"),
)

ENV: Final = Options(flags=frozenset(), valued=frozenset())
"""None of its own: `-i` and `-u` take away what a server is to be told."""

UV_RUN: Final = Options(
    flags=_named(
        "active all-extras all-groups all-packages exact frozen isolated locked m module n "
        "no-cache no-config no-default-groups no-dev no-editable no-env-file no-progress "
        "no-project no-sync offline only-dev q quiet v verbose"
    ),
    valued=_named(
        "extra group no-extra no-group only-group p package python w with with-editable "
        "with-requirements"
    ),
)
"""Those that change neither the environment nor the working folder of what it runs."""
