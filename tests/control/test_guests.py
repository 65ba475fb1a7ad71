import trio
from trio.testing import wait_all_tasks_blocked

from oxtrio.control.guests import Guests


async def idle(guests: Guests, left: list[str], name: str) -> None:
    with guests.staying():
        with guests.idling():
            await trio.sleep_forever()
        left.append(name)


async def work(guests: Guests, done: trio.Event) -> None:
    with guests.staying():
        await done.wait()


async def test_the_one_that_has_been_idle_longest_makes_room(nursery: trio.Nursery):
    guests, left = Guests(2), list[str]()
    nursery.start_soon(idle, guests, left, "first")
    await wait_all_tasks_blocked()
    nursery.start_soon(idle, guests, left, "second")
    await wait_all_tasks_blocked()

    await guests.make_room()
    await wait_all_tasks_blocked()

    assert left == ["first"]
    nursery.cancel_scope.cancel()


async def test_nobody_leaves_while_there_is_room(nursery: trio.Nursery):
    guests, left = Guests(2), list[str]()
    nursery.start_soon(idle, guests, left, "first")
    await wait_all_tasks_blocked()

    await guests.make_room()
    await wait_all_tasks_blocked()

    assert left == []
    nursery.cancel_scope.cancel()


async def test_who_is_busy_is_waited_for(nursery: trio.Nursery):
    guests, done, room = Guests(1), trio.Event(), trio.Event()
    nursery.start_soon(work, guests, done)
    await wait_all_tasks_blocked()

    @nursery.start_soon
    async def enter() -> None:
        await guests.make_room()
        room.set()

    await wait_all_tasks_blocked()
    assert not room.is_set()

    done.set()
    await room.wait()
    assert not guests.dismiss_one()


async def test_who_becomes_idle_makes_room_for_who_waits(nursery: trio.Nursery):
    guests, done, room, left = Guests(1), trio.Event(), trio.Event(), list[str]()

    @nursery.start_soon
    async def work_then_idle() -> None:
        with guests.staying():
            await done.wait()
            with guests.idling():
                await trio.sleep_forever()
            left.append("it")

    await wait_all_tasks_blocked()

    @nursery.start_soon
    async def enter() -> None:
        await guests.make_room()
        room.set()

    await wait_all_tasks_blocked()
    done.set()
    await room.wait()
    await wait_all_tasks_blocked()
    assert left == ["it"]
