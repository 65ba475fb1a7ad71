"""Work that blocks, where no thread can be had."""

import threading

import pytest
import trio

from oxtrio.system.threads import in_thread


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the last process that a limit allows: the very words of CPython."""

    async def run_sync(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)


async def test_it_is_done_in_a_thread() -> None:
    assert await in_thread(threading.get_ident) != threading.get_ident()


async def test_where_there_is_none_it_is_done_all_the_same(no_thread: None) -> None:
    assert await in_thread(threading.get_ident, abandon_on_cancel=True) == threading.get_ident()
    assert await in_thread(divmod, 7, 2) == (3, 1)


@pytest.mark.parametrize("error", [RuntimeError("something else"), ValueError("can't")])
async def test_what_the_work_raises_is_raised(error: Exception) -> None:
    def work() -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        await in_thread(work)
