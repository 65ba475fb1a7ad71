"""Where the output of an app goes."""

from collections.abc import Sequence

from oxtrio.config.expand import ONLY_INSTANCE
from oxtrio.config.fields import Fields, first
from oxtrio.config.tables import logs as keys
from oxtrio.config.tables.app import ERROR_LOG_FILE, LOG_FILE, LOGS_KEY
from oxtrio.model.spec import LogSpec

MEBIBYTE = 1024 * 1024


def read_logs(app: Fields, logging: Sequence[Fields]) -> LogSpec:
    """The logs of *app*; what it does not say is taken from *logging*, the top-level defaults."""
    file = app.optional_path(LOG_FILE, ONLY_INSTANCE)
    error_file = app.optional_path(ERROR_LOG_FILE, ONLY_INSTANCE)
    rotation = (app.inner(LOGS_KEY), *logging)
    return LogSpec(
        file=file,
        error_file=None if error_file == file else error_file,
        date_format=first((app, *logging), keys.DATE_FORMAT),
        max_size=max(1, round(first(rotation, keys.MAX_SIZE) * MEBIBYTE)),
        max_files=first(rotation, keys.MAX_FILES),
        compress=first(rotation, keys.COMPRESS),
        when_full=first(rotation, keys.WHEN_FULL),
    )
