"""What an app finds when it starts: environment, folder, user, limits, signals, descriptors."""

import os
import re
from pathlib import Path

import pytest

from tests.e2e.kit import CANARY, MARK, Ox, needs_root
from tests.e2e.processes import eventually

pytestmark = pytest.mark.slow

ONE_SHOT = "restart_on_exit = false\n"


def seen(ox: Ox, keys: str, command: str = "env -0", more: str = "", **env: str) -> str:
    """What the one-shot *command* with *keys* prints."""
    shown = f"{command} > seen.new && mv seen.new seen"
    ox.write(f"[processes.a]\ncommand = '''{shown}'''\n{ONE_SHOT}{keys}\n{more}{CANARY}")
    ox.done("start", **env)
    return (ox.folder / "seen").read_text()


def variables(text: str) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in text.split("\0") if pair)
    return {name: value for name, _, value in pairs}


def test_env_beats_env_file_beats_what_is_inherited(ox: Ox):
    ox.write("B=first file\nC=first file\nD='a $B and ${B}'\nE=first file\n", "1.env")
    ox.write("# a comment\nC=second file\n", "conf/2.env")

    found = variables(
        seen(
            ox,
            'env_file = ["1.env", "conf/2.env"]\n'
            'env = { E = "own ${A}", F = "pa$$word $A", G = 8000, H = true,'
            ' I = "${NOT_THERE:-x${A}}", J = "${instance}" }',
            more='[env]\nE = "of all"\nK = "of all"\n',
            A="inherited",
            B="inherited",
        )
    )

    assert {name: found[name] for name in "ABCDEFGHIJK"} == {
        "A": "inherited",
        "B": "first file",
        "C": "second file",
        "D": "a $B and ${B}",
        "E": "own inherited",
        "F": "pa$$word $A",
        "G": "8000",
        "H": "true",
        "I": "xinherited",
        "J": "0",
        "K": "of all",
    }


def test_an_app_knows_who_it_is(ox: Ox):
    found = variables(seen(ox, ""))

    assert found["OXTRIO_NAME"] == "a"
    assert (found["OXTRIO_INSTANCE_ID"], found["OXMGR_INSTANCE_ID"]) == ("0", "0")
    assert found["OXTRIO_CONFIG"] == f"{ox.folder}/oxfile.toml"
    assert found["OXTRIO_SOCKET"] == str(ox.runtime / "control.sock")
    assert found["OXTRIO_PROJECT"]
    assert found["OXTRIO_RUN_ID"]
    assert found["PYTHONUNBUFFERED"] == "1"
    assert found[MARK] == ox.folder.name


def test_what_is_not_inherited_is_not_there(ox: Ox):
    ox.write(
        f"[processes.none]\ncommand = '/usr/bin/env -0 > none'\ninherit_env = false\n{ONE_SHOT}"
        f"[processes.one]\ncommand = '/usr/bin/env -0 > one'\ninherit_env = ['MINE']\n{ONE_SHOT}"
        "[env]\nOWN = '1'\n" + CANARY
    )

    ox.done("start", MINE="1", PATH=ox.environ["PATH"])

    none, one = (variables((ox.folder / name).read_text()) for name in ("none", "one"))
    assert {"PATH", "HOME", "LANG", "OWN"} <= set(none)
    assert not {"MINE", MARK} & set(none)
    assert {"MINE", "OWN"} <= set(one)
    assert not {"HOME", "LANG", MARK} & set(one)


def test_a_venv_comes_first_in_path(ox: Ox):
    ox.write("#!/bin/sh\necho of the venv $VIRTUAL_ENV\n", "v/bin/tool").chmod(0o755)

    assert seen(ox, 'venv = "v"', "tool") == f"of the venv {ox.folder}/v\n"


def test_instances_have_numbers(ox: Ox):
    ox.up(
        "[processes.a]\ncommand = 'echo $OXTRIO_INSTANCE_ID ${instance} $X > got${instance};"
        " exec sleep 3600'\ninstances = 3\nstart_secs = 0\nenv = { X = 'port-800${instance}' }\n"
    )

    texts = [ox.content(f"got{number}") for number in range(3)]
    assert texts == [f"{number} {number} port-800{number}\n" for number in range(3)]
    assert set(ox.rows()) == {"a:0", "a:1", "a:2", "canary"}


def signals_touched(status: str) -> int:
    """The blocked and ignored signals of a /proc/<pid>/status, as bits.

    32 and 33 are the C library's own: no program can change them, and GNU make ignores them.
    """
    masks = re.findall(r"Sig(?:Blk|Ign):\s+([0-9a-f]+)$", status, re.M)
    assert len(masks) == 2
    return (int(masks[0], 16) | int(masks[1], 16)) & ~(0b11 << 31)


def test_signals_descriptors_and_session_are_clean_whoever_starts_oxtrio(ox: Ox):
    ox.write(
        f"[processes.a]\ncommand = '(cat /proc/self/status; ls -l /proc/self/fd; "
        f"cat /proc/self/stat) > seen'\n{ONE_SHOT}[processes.simple]\ncommand = 'sleep 3600'\n"
        "start_secs = 0\n" + CANARY
    )
    spoiled = ("env", "--ignore-signal=CHLD,TERM,INT,PIPE,HUP", "--block-signal=CHLD,TERM,USR1")

    ox.done("start", prefix=spoiled)

    text = (ox.folder / "seen").read_text()
    assert signals_touched(text) == 0, text
    # Of dash and cat: 0, 1, 2, and what `ls` itself has open.
    assert set(re.findall(r" (\d+) -> (?!/proc/)", text)) == {"0", "1", "2"}
    pid = ox.pid("simple")
    assert os.getsid(pid) == os.getpgid(pid) == pid
    status = Path(f"/proc/{pid}/status").read_text()
    assert signals_touched(status) == 0
    links = {each.name: os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir()}
    assert set(links) == {"0", "1", "2"}
    assert links["0"] == "/dev/null"
    ox.done("stop", prefix=spoiled)


def test_the_limit_of_descriptors_is_the_one_that_oxtrio_was_started_with(ox: Ox):
    ox.write(f"[processes.a]\ncommand = '(ulimit -Sn; ulimit -Hn) > seen'\n{ONE_SHOT}")

    ox.done("start", prefix=("prlimit", "--nofile=321:654"))

    assert (ox.folder / "seen").read_text() == "321\n654\n"


def test_umask_nice_and_limits_are_those_of_the_oxfile(ox: Ox):
    text = seen(
        ox,
        'umask = "027"\nnice = 7\noom_score_adj = 321\n'
        '[processes.a.rlimits]\nnofile = [100, 200]\ncore = 0\nstack = "unlimited"\n',
        "(umask; nice; cat /proc/self/oom_score_adj; ulimit -Sn; ulimit -Hn; ulimit -c)",
    )

    assert text.split() == ["0027", "7", "321", "100", "200", "0"]
    assert (ox.folder / "seen").stat().st_mode & 0o777 == 0o640


@needs_root
def test_a_user_brings_its_groups_and_home(ox: Ox):
    ox.folder.chmod(0o777 | 0o1000)
    ox.write(
        "[processes.a]\ncommand = '(id -u; id -g; id -G; echo $HOME $USER $LOGNAME) > seen'\n"
        f'user = "nobody"\ngroups = ["daemon", "adm"]\n{ONE_SHOT}',
        "in/oxfile.toml",
    )
    (ox.folder / "in").chmod(0o755)
    os.chown(ox.folder / "in", 65534, -1)

    ox.done("start", cwd=ox.folder / "in")

    uid, gid, groups, names = (ox.folder / "in/seen").read_text().splitlines()
    assert (uid, gid) == ("65534", "65534")
    assert set(groups.split()) == {"65534", "1", "4"}
    assert names == "/nonexistent nobody nobody"


@needs_root
def test_a_user_can_write_to_its_own_output_again(ox: Ox):
    ox.write(
        "[processes.a]\ncommand = 'echo one; echo two > /dev/stdout; echo three > /dev/stderr'\n"
        f'user = "nobody"\n{ONE_SHOT}'
    )
    ox.folder.chmod(0o755)

    ox.done("start")

    assert sorted(ox.done("logs", "a").split()) == ["one", "three", "two"]


def test_a_folder_behind_a_link_is_looked_up_at_every_start(ox: Ox):
    for name in ("one", "two"):
        (ox.folder / name).mkdir()
    (ox.folder / "now").symlink_to("one")
    ox.up(
        "[processes.a]\ncommand = 'pwd -P > $OXTRIO_HOME/where; exec sleep 3600'\n"
        'working_dir = "now"\nstart_secs = 0\n'
    )
    assert ox.content("h/where") == f"{ox.folder}/one\n"

    (ox.folder / "now").unlink()
    (ox.folder / "now").symlink_to("two")
    ox.done("restart", "a")

    ox.content("h/where", lambda text: text == f"{ox.folder}/two\n")


def test_env_files_are_read_at_every_start_and_the_callers_environment_on_demand(ox: Ox):
    ox.write("A=old\n", ".env")
    ox.write(
        f"[processes.a]\ncommand = 'echo $A $B > seen'\n{ONE_SHOT}env_file = '.env'\n" + CANARY
    )
    ox.done("start", B="old")
    ox.write("A=new\n", ".env")

    ox.done("restart", "a", B="new")
    assert (ox.folder / "seen").read_text() == "new old\n"

    ox.done("restart", "a", "--update-env", B="new")
    assert (ox.folder / "seen").read_text() == "new new\n"


LEADERS = [
    ("'sleep 3600'", "sleep"),
    ("'X=1 sleep 3600 > out 2>&1'", "sleep"),
    ("'cd . && sleep 3600'", "sh"),
    ("'sleep 3600 | cat'", "sh"),
    ("'exec sleep 3600'", "sleep"),
    ("['sleep', '3600']", "sleep"),
    ('"""sh -c "sleep 3600; true" """', "sh"),
]


def test_a_simple_command_is_itself_the_main_process(ox: Ox):
    ox.up(
        "".join(
            f"[processes.a{number}]\ncommand = {command}\nstart_secs = 0\n"
            for number, (command, _) in enumerate(LEADERS)
        )
    )

    for number, (_, leader) in enumerate(LEADERS):
        name = Path(f"/proc/{ox.pid(f'a{number}')}/comm")
        eventually(lambda name=name, leader=leader: name.read_text() == f"{leader}\n", leader)


def test_an_array_is_executed_as_it_stands(ox: Ox):
    ox.write(
        '[processes.a]\ncommand = ["printf", "%s\\n", "$HOME", "${HOME}", "a  b", "${instance}"]\n'
        + ONE_SHOT
    )

    ox.done("start")

    assert ox.done("logs", "a") == "$HOME\n${HOME}\na  b\n0\n"
