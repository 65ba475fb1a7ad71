"""Every oxfile of the article whose system oxtrio is, as it stands there."""

from signal import Signals

import pytest

from oxtrio.model.spec import HealthSpec, LimitsSpec, LogSpec
from tests.config.reading import config_of

MINIMAL = """\
[processes.api]
command = "uvicorn main:app --host 0.0.0.0 --port 8000"
restart_on_exit = true
"""

FASTAPI = """\
[processes.api]
command = "uvicorn main:app --host 0.0.0.0 --port 8000 --workers 4"
restart_on_exit = true
restart_delay_ms = 2000
max_restarts = 15
[processes.api.env]
PYTHONPATH = "/var/www/myapp"
DATABASE_URL = "postgresql+asyncpg://user:pass@localhost/myapp"
SECRET_KEY = "your-secret-key"
[processes.api.health_check]
endpoint = "http://localhost:8000/health"
interval_secs = 30
initial_delay_secs = 10
unhealthy_threshold = 3
"""

DJANGO = """\
[processes.web]
command = "gunicorn myproject.wsgi:application --bind 0.0.0.0:8000 --workers 4 --worker-class \
gthread --threads 2 --timeout 30"
working_dir = "/var/www/myproject"
restart_on_exit = true
restart_delay_ms = 3000
max_restarts = 10
[processes.web.env]
DJANGO_SETTINGS_MODULE = "myproject.settings.production"
PYTHONPATH = "/var/www/myproject"
[processes.web.health_check]
endpoint = "http://localhost:8000/health/"
interval_secs = 30
initial_delay_secs = 20
unhealthy_threshold = 3
"""

FLASK = """\
[processes.app]
command = "gunicorn app:app --bind 0.0.0.0:5000 --workers 3"
working_dir = "/var/www/flaskapp"
restart_on_exit = true
max_restarts = 10
[processes.app.env]
FLASK_ENV = "production"
SECRET_KEY = "your-secret-key"
DATABASE_URL = "postgresql://user:pass@localhost/mydb"
[processes.app.health_check]
endpoint = "http://localhost:5000/health"
interval_secs = 30
initial_delay_secs = 5
"""

CELERY = """\
# Web API
[processes.web]
command = "uvicorn main:app --host 0.0.0.0 --port 8000 --workers 2"
restart_on_exit = true
[processes.web.health_check]
endpoint = "http://localhost:8000/health"
interval_secs = 30
# Celery worker
[processes.celery-worker]
command = "celery -A tasks worker --loglevel=info --concurrency=4"
working_dir = "/var/www/myapp"
restart_on_exit = true
restart_delay_ms = 5000
[processes.celery-worker.env]
CELERY_BROKER_URL = "redis://localhost:6379/0"
CELERY_RESULT_BACKEND = "redis://localhost:6379/1"
# Celery Beat scheduler
[processes.celery-beat]
command = "celery -A tasks beat --loglevel=info"
working_dir = "/var/www/myapp"
restart_on_exit = true
instances = 1 # always exactly 1 — multiple beat instances cause duplicate tasks
"""

VENV_PATH = """\
[processes.api]
command = "/var/www/myapp/venv/bin/uvicorn main:app --host 0.0.0.0 --port 8000"
"""

VENV_ACTIVATED = """\
[processes.api]
command = "bash -c 'source /var/www/myapp/venv/bin/activate && uvicorn main:app --host 0.0.0.0 \
--port 8000'"
"""

LIMITED = f"""{CELERY}
[processes.celery-worker.limits]
memory_mb = 512 # worker normally uses 180MB, 512MB = something went wrong
"""

LOGGED = """\
[processes.web]
command = "uvicorn main:app --host 0.0.0.0 --port 8000"
log_file = "/var/log/myapp/web.log"
error_log_file = "/var/log/myapp/web-error.log"
[processes.web.logs]
max_size_mb = 100
max_files = 7
compress = true
"""

FULL = """\
[processes.web]
command = "/var/www/myapp/venv/bin/uvicorn main:app --host 0.0.0.0 --port 8000 --workers 4"
working_dir = "/var/www/myapp"
restart_on_exit = true
restart_delay_ms = 2000
max_restarts = 15
stop_timeout_ms = 30000
[processes.web.env]
DATABASE_URL = "postgresql+asyncpg://user:pass@localhost/myapp"
REDIS_URL = "redis://localhost:6379"
SECRET_KEY = "your-production-secret"
ENVIRONMENT = "production"
[processes.web.health_check]
endpoint = "http://localhost:8000/health"
interval_secs = 30
initial_delay_secs = 15
unhealthy_threshold = 3
healthy_threshold = 2
[processes.web.limits]
memory_mb = 1024
[processes.web.logs]
max_size_mb = 200
max_files = 7
compress = true
[processes.worker]
command = "/var/www/myapp/venv/bin/celery -A tasks worker --loglevel=info --concurrency=4"
working_dir = "/var/www/myapp"
restart_on_exit = true
restart_delay_ms = 5000
max_restarts = 10
[processes.worker.env]
DATABASE_URL = "postgresql://user:pass@localhost/myapp"
CELERY_BROKER_URL = "redis://localhost:6379/0"
[processes.worker.limits]
memory_mb = 512
[processes.beat]
command = "/var/www/myapp/venv/bin/celery -A tasks beat --loglevel=info"
working_dir = "/var/www/myapp"
restart_on_exit = true
instances = 1
[processes.beat.env]
DATABASE_URL = "postgresql://user:pass@localhost/myapp"
CELERY_BROKER_URL = "redis://localhost:6379/0"
"""

APPS = [
    (MINIMAL, ["api"]),
    (FASTAPI, ["api"]),
    (DJANGO, ["web"]),
    (FLASK, ["app"]),
    (CELERY, ["web", "celery-worker", "celery-beat"]),
    (VENV_PATH, ["api"]),
    (VENV_ACTIVATED, ["api"]),
    (LIMITED, ["web", "celery-worker", "celery-beat"]),
    (LOGGED, ["web"]),
    (FULL, ["web", "worker", "beat"]),
]


@pytest.mark.parametrize(("text", "names"), APPS)
def test_it_loads_unchanged(text, names):
    assert [app.name for app in config_of(text).apps] == names


def test_the_full_oxfile_says_what_it_says():
    web = config_of(FULL).apps[0]

    assert web.working_dir == "/var/www/myapp"
    assert web.restart.always is True
    assert (web.restart.delay, web.restart.limit, web.restart.window) == (2.0, 15, 60.0)
    assert (web.stop.signal, web.stop.timeout) == (Signals.SIGTERM, 30.0)
    assert dict(web.env)["REDIS_URL"] == "redis://localhost:6379"
    assert web.limits == LimitsSpec(memory=1024 * 1024 * 1024)
    assert web.logs == LogSpec(max_size=200 * 1024 * 1024, max_files=7, compress=True)
    assert web.health == HealthSpec(
        endpoint="http://localhost:8000/health",
        interval=30.0,
        initial_delay=15.0,
        unhealthy_threshold=3,
        healthy_threshold=2,
    )


def test_a_worker_of_it_has_what_is_usual():
    worker = config_of(FULL).apps[1]

    assert worker.health is None
    assert worker.ready.start == 1.0
    assert worker.instances == 1
    assert worker.inherit_env is True
    assert worker.enabled
