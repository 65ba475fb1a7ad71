"""Which addresses are held for which command, and which commands are left alone."""

import tomllib

import pytest

from oxtrio.policy.binds import Bound
from oxtrio.policy.servers import LeftAlone, Takes, server_of

ENV = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "WEB": "9000",
    "BIND": "0.0.0.0:9001",
    "NONE": "",
    "TWO": "--port 9000",
    "GLOB": "*",
    "WORKERS": "2",
}


def said(decision: Takes | LeftAlone | None) -> str:
    """The addresses that are held, or the reason why none is."""
    match decision:
        case None:
            return "no known server"
        case LeftAlone():
            return decision.why
    return f"{decision.server} " + " ".join(map(str, decision.addresses))


def decide(
    command: str | tuple[str, ...], files: tuple[str, ...] = (), **env: str
) -> Takes | LeftAlone | None:
    return server_of(command, ENV | env, lambda name: name in files)


def taken(command: str | tuple[str, ...], files: tuple[str, ...] = (), **env: str) -> Takes:
    decision = decide(command, files, **env)
    assert isinstance(decision, Takes), decision
    return decision


def left(command: str | tuple[str, ...], files: tuple[str, ...] = (), **env: str) -> LeftAlone:
    decision = decide(command, files, **env)
    assert isinstance(decision, LeftAlone), decision
    return decision


UVICORN = [
    ("uvicorn main:app", "uvicorn 127.0.0.1:8000"),
    ("uvicorn main:app --port 8080", "uvicorn 127.0.0.1:8080"),
    ("uvicorn main:app --host 0.0.0.0", "uvicorn 0.0.0.0:8000"),
    ("uvicorn main:app --host=0.0.0.0 --port=8080", "uvicorn 0.0.0.0:8080"),
    ("uvicorn --port 1 --port 2 main:app", "uvicorn 127.0.0.1:2"),
    ("uvicorn main:app --host ::1", "uvicorn [::1]:8000"),
    ("uvicorn main:app --host '::'", "uvicorn [::]:8000"),
    ("uvicorn main:app --workers 4 --port 80", "uvicorn 127.0.0.1:80"),
    ("uvicorn main:app --reload --port 81", "uvicorn 127.0.0.1:81"),
    ("uvicorn main:app --app-dir 8000 --port 82", "uvicorn 127.0.0.1:82"),
    ("uvicorn main:app --log-level --port --port 83", "uvicorn 127.0.0.1:83"),
    ("uvicorn main:app --no-access-log --factory", "uvicorn 127.0.0.1:8000"),
    ("uvicorn main:app -- --port 84", "uvicorn 127.0.0.1:8000"),
    ("uvicorn main:app --port $WEB", "uvicorn 127.0.0.1:9000"),
    ('uvicorn main:app --port "$WEB"', "uvicorn 127.0.0.1:9000"),
    ("uvicorn main:app --port ${WEB}", "uvicorn 127.0.0.1:9000"),
    ("uvicorn main:app --port=${WEB:-1}", "uvicorn 127.0.0.1:9000"),
    ("uvicorn main:app --port ${NOBODY:-8001}", "uvicorn 127.0.0.1:8001"),
    ('uvicorn main:app --port "${NONE:-8002}"', "uvicorn 127.0.0.1:8002"),
    ("uvicorn 'main:app' --port 80\\80", "uvicorn 127.0.0.1:8080"),
    ('uvicorn "main:app" --port "80"90', "uvicorn 127.0.0.1:8090"),
    ("uvicorn main:app >log 2>&1 --port 85", "uvicorn 127.0.0.1:85"),
    ("uvicorn main:app # --port 86", "uvicorn 127.0.0.1:8000"),
    ("/srv/venv/bin/uvicorn main:app", "uvicorn 127.0.0.1:8000"),
    ("~/venv/bin/uvicorn main:app", "uvicorn 127.0.0.1:8000"),
    ("LOG=x uvicorn main:app", "uvicorn 127.0.0.1:8000"),
    ("UVICORN_PORT=87 uvicorn main:app", "uvicorn 127.0.0.1:87"),
    ("UVICORN_PORT=$WEB uvicorn main:app", "uvicorn 127.0.0.1:9000"),
    ("UVICORN_PORT=87 uvicorn main:app --port 88", "uvicorn 127.0.0.1:88"),
    ("exec uvicorn main:app --port 89", "uvicorn 127.0.0.1:89"),
    ("env A=b uvicorn main:app --port 90", "uvicorn 127.0.0.1:90"),
    ("env UVICORN_PORT=91 uvicorn main:app", "uvicorn 127.0.0.1:91"),
    ("python -m uvicorn main:app --port 92", "uvicorn 127.0.0.1:92"),
    ("python3.11 -u -X dev -m uvicorn main:app", "uvicorn 127.0.0.1:8000"),
    ("/usr/bin/python3 -muvicorn main:app --port 93", "uvicorn 127.0.0.1:93"),
    ("python /srv/venv/bin/uvicorn main:app --port 94", "uvicorn 127.0.0.1:94"),
    ("env A=b python -m uvicorn main:app --port 95", "uvicorn 127.0.0.1:95"),
    ("uv run uvicorn main:app --port 96", "uvicorn 127.0.0.1:96"),
    ("uv run --frozen --with x -- uvicorn main:app", "uvicorn 127.0.0.1:8000"),
    ("uv run -m uvicorn main:app --port 97", "uvicorn 127.0.0.1:97"),
    ("uv run python -m uvicorn main:app --port 98", "uvicorn 127.0.0.1:98"),
    (("uvicorn", "main:app", "--port", "8080"), "uvicorn 127.0.0.1:8080"),
    (("env", "A=b c", "uvicorn", "main:app"), "uvicorn 127.0.0.1:8000"),
    # What is left alone.
    ("uvicorn main:app --port 0", "port 0 is another one at each start"),
    ("uvicorn main:app --port 65536", "65536 is no port"),
    ("uvicorn main:app --port 800000", "800000 is no port"),
    ("uvicorn main:app --port http", "http is no port"),
    ("uvicorn main:app --port 8_000", "8_000 is no port"),
    ("uvicorn main:app --port", "--port has no value"),
    ("uvicorn main:app --port $NONE", "$NONE is empty"),
    ("uvicorn main:app --port $NOBODY", "$NOBODY is empty"),
    ('uvicorn main:app --port "$NONE"', "the port is empty"),
    ("uvicorn main:app --port=$NONE", "the port is empty"),
    ("uvicorn main:app --host ''", "the host is empty"),
    ("uvicorn main:app $TWO", "$TWO is more than one plain word"),
    ("uvicorn main:app $GLOB", "$GLOB is more than one plain word"),
    ("uvicorn main:app --reload-include *.py", "only the shell knows what *.py says"),
    ("uvicorn main:app --port ${WEB#9}", "only the shell knows what ${WEB#9} says"),
    ("uvicorn main:app --port ${WEB-1}", "only the shell knows what ${WEB-1} says"),
    ("uvicorn main:app --port ${#WEB}", "only the shell knows what ${#WEB} says"),
    ("uvicorn main:app --port $UID", "only the shell knows what $UID says"),
    ("uvicorn main:app --port $$", "only the shell knows what $$ says"),
    ('uvicorn main:app --port "$(cat p)"', 'only the shell knows what "$(cat p)" says'),
    ("uvicorn main:app --port `cat p`", "the command is more than the server alone"),
    ("uvicorn main:app --app-dir ~you/x", "only the shell knows what ~you/x says"),
    (("uvicorn", "main:app", "--port", "$WEB"), "$WEB is no port"),
    ("uvicorn main:app --porty 80", "oxtrio does not know the option --porty"),
    ("uvicorn main:app --por 80", "oxtrio does not know the option --por"),
    ("uvicorn main:app -p 80", "oxtrio does not know the option -p"),
    ("uvicorn main:app --reload=yes", "--reload takes no value"),
    ("uvicorn main:app --uds /run/x", "uvicorn removes the Unix socket of --uds when it stops"),
    ("uvicorn main:app --fd 5", "uvicorn is told already which descriptor it is to use"),
    ("UVICORN_FD= uvicorn main:app", "uvicorn is told already which descriptor it is to use"),
    (
        "uvicorn main:app --host localhost",
        "uvicorn listens on every address of localhost, each with a socket of its own",
    ),
    ("uvicorn main:app --host db", "only the server knows which address db is"),
    ("uvicorn main:app --host ::ffff:1.2.3.4", "oxtrio cannot hold the address ::ffff:1.2.3.4"),
    ("uvicorn main:app --host fe80::1%eth0", "oxtrio cannot hold the address fe80::1%eth0"),
    ('UVICORN_PORT="$(cat p)" uvicorn main:app', "only the shell knows what UVICORN_PORT says"),
    ("A=1 UVICORN_PORT=$A uvicorn main:app", "only the shell knows what UVICORN_PORT says"),
    (
        "LISTEN_FDS=1 uvicorn main:app",
        "the command itself says which descriptors it is given",
    ),
    (
        "uvicorn main:app 3>&1",
        "the command redirects descriptors that a held socket could have",
    ),
    ("cd x && uvicorn main:app", "the command is more than the server alone"),
    ("uvicorn main:app | tee log", "the command is more than the server alone"),
    ("uvicorn main:app &", "the command is more than the server alone"),
    ("uvicorn main:app; true", "the command is more than the server alone"),
    ("uvicorn main:app {a,b}", "the command is more than the server alone"),
    ("bash -c 'uvicorn main:app'", "bash is in front of the server"),
    ("poetry run uvicorn main:app", "poetry is in front of the server"),
    ("uvx uvicorn main:app", "uvx is in front of the server"),
    ("uv tool run uvicorn main:app", "uv is in front of the server"),
    ("uv run --env-file .env uvicorn main:app", "oxtrio does not know the option --env-file"),
    ("uv run --directory x uvicorn main:app", "oxtrio does not know the option --directory"),
    ("nohup uvicorn main:app", "nohup is in front of the server"),
    ("env -i uvicorn main:app", "oxtrio does not know the option -i"),
    ("env -u PORT uvicorn main:app", "oxtrio does not know the option -u"),
    ("python serve.py uvicorn main:app", "a Python program is in front of the server"),
    ("python -m coverage run -m uvicorn main:app", "the module coverage is in front of the server"),
    ("uv run -m pdb -m uvicorn main:app", "the module pdb is in front of the server"),
    # What is no server.
    ("uvicorn --version", "no known server"),
    ("uvicorn main:app --help", "no known server"),
    ("./start.sh", "no known server"),
    ("$SERVER main:app", "no known server"),
    ("env A=b", "no known server"),
    ("", "no known server"),
    ("celery -A app worker", "no known server"),
    ("pip install uvicorn gunicorn", "no known server"),
    ("echo uvicorn; sleep 5", "no known server"),
    ("python -m http.server 8000", "no known server"),
    (("sh", "start.sh"), "no known server"),
]


@pytest.mark.parametrize(("command", "decision"), UVICORN, ids=lambda each: str(each))
def test_what_is_decided_for_uvicorn(command: str | tuple[str, ...], decision: str):
    assert said(decide(command)) == decision


GUNICORN = [
    ("gunicorn app:app", "gunicorn 127.0.0.1:8000"),
    ("gunicorn wsgi", "gunicorn 127.0.0.1:8000"),
    ("gunicorn app:app -b 0.0.0.0:80", "gunicorn 0.0.0.0:80"),
    ("gunicorn app:app -b0.0.0.0:81", "gunicorn 0.0.0.0:81"),
    ("gunicorn app:app -b=0.0.0.0:82", "gunicorn 0.0.0.0:82"),
    ("gunicorn app:app --bind 0.0.0.0:83", "gunicorn 0.0.0.0:83"),
    ("gunicorn app:app --bind=0.0.0.0:84", "gunicorn 0.0.0.0:84"),
    ("gunicorn app:app --bi 0.0.0.0:85", "gunicorn 0.0.0.0:85"),
    ("gunicorn app:app --bin=0.0.0.0:86", "gunicorn 0.0.0.0:86"),
    ("gunicorn app:app -Rb 0.0.0.0:87", "gunicorn 0.0.0.0:87"),
    ("gunicorn app:app -Rb0.0.0.0:88", "gunicorn 0.0.0.0:88"),
    ("gunicorn app:app -b :89", "gunicorn 0.0.0.0:89"),
    ("gunicorn app:app -b 10.0.0.1", "gunicorn 10.0.0.1:8000"),
    ("gunicorn app:app -b localhost:90", "gunicorn 127.0.0.1:90"),
    ("gunicorn app:app -b tcp://0.0.0.0:91", "gunicorn 0.0.0.0:91"),
    ("gunicorn app:app -b [::1]:92", "gunicorn [::1]:92"),
    ("gunicorn app:app --bind='[::]:93'", "gunicorn [::]:93"),
    ("gunicorn app:app --bind [::]:$WEB", "gunicorn [::]:9000"),
    ("gunicorn app:app -b :80 -b [::1]:81", "gunicorn 0.0.0.0:80 [::1]:81"),
    ("gunicorn app:app -b unix:/run/x.sock", "gunicorn unix:/run/x.sock"),
    ("gunicorn app:app -b unix:///run/x.sock -b :80", "gunicorn unix:/run/x.sock 0.0.0.0:80"),
    ("gunicorn app:app --bind $BIND", "gunicorn 0.0.0.0:9001"),
    ("gunicorn app:app --bind 0.0.0.0:$WEB", "gunicorn 0.0.0.0:9000"),
    ("gunicorn app:app --bind :${PORT:-8000}", "gunicorn 0.0.0.0:8000"),
    ("gunicorn app:app -w 4 --threads 2 -t 30 -b :80", "gunicorn 0.0.0.0:80"),
    ("gunicorn app:app -k uvicorn.workers.UvicornWorker", "gunicorn 127.0.0.1:8000"),
    ("gunicorn app:app --preload --reload --chdir /x", "gunicorn 127.0.0.1:8000"),
    ("gunicorn app:app --access-logfile - --error-logfile -", "gunicorn 127.0.0.1:8000"),
    ("gunicorn app:app --name -- -b :80", "--name has no value"),
    ("gunicorn 'app:create(\"x y\")' -b :80", "gunicorn 0.0.0.0:80"),
    ("/srv/venv/bin/gunicorn app:app", "gunicorn 127.0.0.1:8000"),
    ("python -m gunicorn app:app -b :80", "gunicorn 0.0.0.0:80"),
    ("python -m gunicorn.app.wsgiapp app:app -b :80", "gunicorn 0.0.0.0:80"),
    ("env DJANGO=x gunicorn app:app -b :80", "gunicorn 0.0.0.0:80"),
    ("PORT=9000 gunicorn app:app", "gunicorn 0.0.0.0:9000"),
    ("env PORT=9001 gunicorn app:app", "gunicorn 0.0.0.0:9001"),
    ("GUNICORN_CMD_ARGS='-b :80' gunicorn app:app", "gunicorn 0.0.0.0:80"),
    ("GUNICORN_CMD_ARGS='-b :80' gunicorn app:app -b :81", "gunicorn 0.0.0.0:81"),
    ("gunicorn -c conf.py app:app -b :80", "gunicorn 0.0.0.0:80"),
    ("uv run gunicorn app:app -b :80", "gunicorn 0.0.0.0:80"),
    # What is left alone.
    ("PORT=$WEB$WEB gunicorn app:app", "90009000 is no port"),
    ("PORT= gunicorn app:app", "the port of 0.0.0.0: is empty"),
    ("PORT=${X:?} gunicorn app:app", "only the shell knows what PORT says"),
    ("gunicorn app:app -b 0.0.0.0:$NONE", "the port of 0.0.0.0: is empty"),
    ("gunicorn app:app -b 0.0.0.0:70000", "70000 is no port"),
    ("gunicorn app:app -b ''", "an address is empty"),
    ("gunicorn app:app -b 8000", "only the server knows which address 8000 is"),
    ("gunicorn app:app -b '*:80'", "only the server knows which address * is"),
    ("gunicorn app:app -b '[::1]'", "oxtrio does not know the address [::1]"),
    ("gunicorn app:app -b ::1", "oxtrio does not know the address ::1"),
    ("gunicorn app:app -b fd://5", "the command itself says fd://5"),
    ("gunicorn app:app -b unix:x.sock", "unix:x.sock is no absolute path"),
    ("gunicorn app:app -u www -b unix:/x", "gunicorn gives its Unix socket to another user"),
    ("gunicorn app:app -m 0x1 -b unix:/x", "oxtrio does not know the umask 0x1"),
    ("uv run gunicorn app:app -b unix:/x", "gunicorn removes its Unix socket when it stops"),
    ("gunicorn app:app --daemon", "--daemon takes gunicorn out of sight"),
    ("gunicorn app:app -RD", "--daemon takes gunicorn out of sight"),
    ("GUNICORN_CMD_ARGS=-D gunicorn app:app", "--daemon takes gunicorn out of sight"),
    ("gunicorn app:app --reuse", "with --reuse-port each worker binds the address itself"),
    ("gunicorn --paste x.ini", "the address may be in the file of --paste"),
    ("gunicorn -c conf.py app:app", "the address may be in gunicorn's config file"),
    (
        "GUNICORN_CMD_ARGS='-c conf.py' gunicorn app:app",
        "the address may be in gunicorn's config file",
    ),
    ("GUNICORN_CMD_ARGS='\"' gunicorn app:app", "GUNICORN_CMD_ARGS has an open quote"),
    ("gunicorn app:app --worker 4", "oxtrio does not know the option --worker"),
    ("gunicorn app:app --nothing", "oxtrio does not know the option --nothing"),
    ("gunicorn app:app -Rx", "oxtrio does not know the option -Rx"),
    ("gunicorn app:app -Rb=:80", "versions of Python differ on what -Rb=:80 says"),
    ("gunicorn app:app --bind -w", "--bind has no value"),
    (
        "gunicorn app:app -e LISTEN_FDS=2",
        "--env changes what gunicorn is told about its sockets",
    ),
    (
        "GUNICORN_PID=1 gunicorn app:app",
        "the environment says that gunicorn replaces another one",
    ),
    (
        "bash -c 'source venv/bin/activate && gunicorn app:app -b :80'",
        "bash is in front of the server",
    ),
    ("sudo -u www gunicorn app:app", "sudo is in front of the server"),
    # What is no server.
    ("gunicorn --check-config app:app", "no known server"),
    ("gunicorn --version", "no known server"),
]


@pytest.mark.parametrize(("command", "decision"), GUNICORN, ids=lambda each: str(each))
def test_what_is_decided_for_gunicorn(command: str, decision: str):
    assert said(decide(command)) == decision


OTHERS = [
    ("hypercorn main:app", "hypercorn 127.0.0.1:8000"),
    ("hypercorn main:app -b 0.0.0.0:80", "hypercorn 0.0.0.0:80"),
    ("hypercorn main:app --bind :81 -b [::1]:82", "hypercorn 0.0.0.0:81 [::1]:82"),
    ("hypercorn main:app -b localhost", "hypercorn 127.0.0.1:8000"),
    ("hypercorn main:app --workers 2 --reload -D", "hypercorn 127.0.0.1:8000"),
    ("python -m hypercorn main:app", "hypercorn 127.0.0.1:8000"),
    ("uv run hypercorn main:app --bind $BIND", "hypercorn 0.0.0.0:9001"),
    ("hypercorn -c hypercorn.toml main:app -b :80", "hypercorn 0.0.0.0:80"),
    ("hypercorn -c hypercorn.toml main:app", "the address may be in hypercorn's config file"),
    ("hypercorn main:app -b unix:/x", "oxtrio does not hold the Unix socket of hypercorn"),
    ("hypercorn main:app -b tcp://0.0.0.0:80", "oxtrio does not know the address tcp://0.0.0.0:80"),
    (
        "hypercorn main:app --quic-bind :443",
        "hypercorn listens on further addresses, which it cannot share",
    ),
    ("hypercorn main:app --access-log", "--access-log has no value"),
    ("hypercorn main:app --access x", "oxtrio does not know the option --access"),
    ("hypercorn --help", "no known server"),
    ("granian --interface asgi main:app", "granian has no way to take a socket over"),
    ("granian main:app --port 80", "granian has no way to take a socket over"),
    ("python -m granian main:app", "granian has no way to take a socket over"),
]


@pytest.mark.parametrize(("command", "decision"), OTHERS, ids=lambda each: str(each))
def test_what_is_decided_for_hypercorn_and_granian(command: str, decision: str):
    assert said(decide(command)) == decision


FROM_ENV = [
    ("uvicorn main:app", {"UVICORN_HOST": "0.0.0.0", "UVICORN_PORT": "80"}, "uvicorn 0.0.0.0:80"),
    ("uvicorn main:app --port 81", {"UVICORN_PORT": "80"}, "uvicorn 127.0.0.1:81"),
    ("uvicorn main:app", {"UVICORN_PORT": ""}, "uvicorn 127.0.0.1:8000"),
    ("uvicorn main:app", {"PORT": "80"}, "uvicorn 127.0.0.1:8000"),
    (
        "uvicorn main:app",
        {"UVICORN_UDS": "/x"},
        "uvicorn removes the Unix socket of --uds when it stops",
    ),
    (
        "uvicorn main:app",
        {"UVICORN_FD": "4"},
        "uvicorn is told already which descriptor it is to use",
    ),
    ("PORT=81 uvicorn main:app --port $PORT", {"PORT": "80"}, "uvicorn 127.0.0.1:80"),
    ("gunicorn app:app", {"PORT": "80"}, "gunicorn 0.0.0.0:80"),
    ("gunicorn app:app -b :81", {"PORT": "80"}, "gunicorn 0.0.0.0:81"),
    (
        "gunicorn app:app",
        {"GUNICORN_CMD_ARGS": "--bind=:80 --bind :81"},
        "gunicorn 0.0.0.0:80 0.0.0.0:81",
    ),
    ("gunicorn app:app", {"GUNICORN_CMD_ARGS": "--wat"}, "oxtrio does not know the option --wat"),
    (
        "uv run uvicorn main:app",
        {"UV_ENV_FILE": ".env"},
        "uv reads more variables from the file of $UV_ENV_FILE",
    ),
    (
        "uv run uvicorn main:app",
        {"UV_WORKING_DIR": "x"},
        "uv goes to the folder of $UV_WORKING_DIR",
    ),
    ("uv run --no-env-file uvicorn main:app", {"UV_ENV_FILE": ".env"}, "uvicorn 127.0.0.1:8000"),
    ("~/bin/uvicorn main:app", {"HOME": ""}, "only the shell knows what ~/bin/uvicorn says"),
]


@pytest.mark.parametrize(("command", "env", "decision"), FROM_ENV, ids=lambda each: str(each))
def test_what_the_environment_changes(command: str, env: dict[str, str], decision: str):
    assert said(decide(command, **env)) == decision


FROM_FILES = [
    ("gunicorn app:app", "gunicorn.conf.py", "the address may be in gunicorn's config file"),
    ("gunicorn app:app -b :80", "gunicorn.conf.py", "gunicorn 0.0.0.0:80"),
    ("uvicorn main:app", "gunicorn.conf.py", "uvicorn 127.0.0.1:8000"),
    (
        "gunicorn app:app -b [::1]:80",
        "1:80",
        "the shell takes [::1]:80 for the name of a file that is there",
    ),
]


@pytest.mark.parametrize(("command", "name", "decision"), FROM_FILES)
def test_what_files_change(command: str, name: str, decision: str):
    assert said(decide(command, (name,))) == decision


HOW = [
    # (command, as it is run)
    ("uvicorn main:app", "uvicorn main:app"),
    ("gunicorn app:app -b :80", "gunicorn app:app -b :80"),
    ("uv run uvicorn main:app", "uv run uvicorn main:app"),
    ("uv run gunicorn app:app", "uv run gunicorn --bind fd://${fd} app:app"),
    ("uv run gunicorn app:app -b :80", "uv run gunicorn app:app -b fd://${fd}"),
    ("gunicorn -c conf.py app:app -b :80", "gunicorn -c conf.py app:app -b fd://${fd}"),
    (
        "GUNICORN_CMD_ARGS='-c x -b :80 -b :81' gunicorn app:app",
        "GUNICORN_CMD_ARGS='-c x -b :80 -b :81' gunicorn --bind fd://${fd} --bind fd://${fd:1} "
        "app:app",
    ),
    ("hypercorn main:app", "hypercorn --bind fd://${fd} main:app"),
    ('/x/hypercorn main:app -b "0.0.0.0":80 -w 2', "/x/hypercorn main:app -b fd://${fd} -w 2"),
    ("hypercorn -b0.0.0.0:80 main:app", "hypercorn -bfd://${fd} main:app"),
    ("hypercorn -b=0.0.0.0:80 main:app", "hypercorn -b=fd://${fd} main:app"),
    ("hypercorn --bin=:80 main:app -b :81", "hypercorn --bin=fd://${fd} main:app -b fd://${fd:1}"),
    ("python -m hypercorn main:app", "python -m hypercorn --bind fd://${fd} main:app"),
    (
        ("hypercorn", "main:app", "-b", ":80", "--bind=:81"),
        ("hypercorn", "main:app", "-b", "fd://${fd}", "--bind=fd://${fd:1}"),
    ),
    (("hypercorn", "main:app"), ("hypercorn", "--bind", "fd://${fd}", "main:app")),
]


@pytest.mark.parametrize(("command", "run"), HOW, ids=lambda each: str(each))
def test_a_command_changes_only_where_the_server_has_no_other_way(
    command: str | tuple[str, ...], run: str | tuple[str, ...]
):
    assert taken(command).command == run


def test_uvicorn_is_told_by_a_variable():
    decision = taken("uvicorn main:app")

    assert (decision.env, decision.listen_fds) == ((("UVICORN_FD", "${fd}"),), False)


def test_gunicorn_is_told_as_systemd_does_where_it_is_the_leader():
    assert taken("env A=b python -m gunicorn app:app").listen_fds
    assert not taken("uv run gunicorn app:app").listen_fds
    assert not taken("gunicorn app:app -b :80", ("gunicorn.conf.py",)).listen_fds


DUAL = [
    ("gunicorn app:app -b [::]:80", True),
    ("gunicorn app:app -b [::1]:80", False),
    ("hypercorn main:app -b [::]:80", True),
    ("uvicorn main:app --host ::", False),
    ("uvicorn main:app --host :: --workers 1", False),
    ("uvicorn main:app --host :: --workers 2", True),
    ("uvicorn main:app --host :: --reload", True),
    ("UVICORN_WORKERS=2 uvicorn main:app --host ::", True),
    ("WEB_CONCURRENCY=2 uvicorn main:app --host ::", True),
    ("uvicorn main:app --host 0.0.0.0 --workers 2", False),
]


@pytest.mark.parametrize(("command", "dual"), DUAL)
def test_ipv4_is_served_too_where_the_server_itself_would(command: str, dual: bool):
    [address] = taken(command).addresses

    assert address.dual_stack is dual


def test_what_uvicorn_does_with_ipv4_may_be_hidden():
    why = "oxtrio is not sure whether uvicorn serves IPv4 on :: too"

    assert left("uvicorn main:app --host :: --env-file x").why == why
    assert left("uvicorn main:app --host ::", UVICORN_RELOAD="1").why == why


UMASKS = [("", 0o777), ("-m 0", 0o777), ("-m 007", 0o770), ("--umask 0117", 0o660), ("-m 511", 0)]


@pytest.mark.parametrize(("option", "mode"), UMASKS)
def test_a_unix_socket_is_as_open_as_gunicorn_would_make_it(option: str, mode: int):
    [address] = taken(f"gunicorn app:app -b unix:/x {option}").addresses

    assert address == Bound(path="/x", mode=mode)


ALONE = [
    ("gunicorn app:app", ""),
    (
        "gunicorn app:app --pid x.pid",
        "a second gunicorn refuses to start while the file of --pid names the first",
    ),
    (
        "GUNICORN_CMD_ARGS='-p x' gunicorn app:app",
        "a second gunicorn refuses to start while the file of --pid names the first",
    ),
    (
        "gunicorn app:app --dirty-app x:y",
        "a second gunicorn ends the dirty workers of the first",
    ),
    (
        "gunicorn app:app -b :80 -c x",
        "gunicorn's config file may name a pid file, which lets only one run",
    ),
    ("hypercorn main:app", ""),
    ("hypercorn main:app -b :80 -c x", "hypercorn's config file may name further addresses"),
    ("uvicorn main:app", ""),
]


@pytest.mark.parametrize(("command", "why"), ALONE)
def test_some_servers_cannot_run_twice_side_by_side(command: str, why: str):
    assert taken(command).alone == why


INSTEAD = [
    (
        "uvicorn shop.main:app --uds /x",
        'listen = "127.0.0.1:8000" with your address, and command = "uvicorn shop.main:app '
        '--fd ${fd}"',
    ),
    (
        "gunicorn --paste x.ini",
        'listen = "127.0.0.1:8000" with your address, and command = "gunicorn main:app '
        '--bind fd://${fd}"',
    ),
    ("granian x:app", 'another server, such as command = "hypercorn x:app --bind 127.0.0.1:8000"'),
    ("uvicorn a:b --host localhost", "--host 127.0.0.1 in place of --host localhost"),
    ("gunicorn a:b -c x", "--bind with the address behind gunicorn"),
    ("poetry run uvicorn a:b --port 80", 'venv = ".venv" and command = "uvicorn a:b --port 80"'),
    (
        "bash -c 'cd /srv/x && source ../venv/bin/activate && exec gunicorn a:b -b :80' >log",
        'working_dir = "/srv/x" and venv = "../venv" and command = "gunicorn a:b -b :80"',
    ),
    ('sh -c ". v/bin/activate; gunicorn a:b"', 'venv = "v" and command = "gunicorn a:b"'),
    (
        "nohup uvicorn a:b --header 'a: \"b\"' > x",
        'command = "uvicorn a:b --header \'a: \\"b\\"\'"',
    ),
    (("bash", "-c", "exec uvicorn a:b --port 80"), 'command = "uvicorn a:b --port 80"'),
]


@pytest.mark.parametrize(("command", "instead"), INSTEAD, ids=lambda each: str(each))
def test_there_is_a_line_that_removes_the_gap(command: str | tuple[str, ...], instead: str):
    assert left(command).instead == instead
    tomllib.loads("\n".join(line for line in instead.split(" and ") if line.startswith("command")))
