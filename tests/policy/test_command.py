"""How a command is executed: when the app itself becomes the leader."""

import subprocess
import sys

import pytest

from oxtrio.policy.command import argv, program, with_fds, with_instance, with_port

SIMPLE = [
    # (text, what the shell is given, the program)
    ("uvicorn main:app --port 8000", "exec uvicorn main:app --port 8000", "uvicorn"),
    ("/opt/x/bin/serve", "exec /opt/x/bin/serve", "/opt/x/bin/serve"),
    ("./run.sh", "exec ./run.sh", "./run.sh"),
    ("A=1 serve", "A=1 exec serve", "serve"),
    ("A=1 B='x y' C=\"; |\" serve a", "A=1 B='x y' C=\"; |\" exec serve a", "serve"),
    ("A= serve", "A= exec serve", "serve"),
    ("PATH=/x:$PATH serve", "PATH=/x:$PATH exec serve", None),
    ("serve A=1", "exec serve A=1", "serve"),
    ("  serve  \n", "  exec serve  \n", "serve"),
    ("\n serve", "\n exec serve", "serve"),
    ("'serve' x", "exec 'serve' x", "serve"),
    ('"/opt/my app/serve" x', 'exec "/opt/my app/serve" x', "/opt/my app/serve"),
    ("/opt/my\\ app/serve", "exec /opt/my\\ app/serve", "/opt/my app/serve"),
    ("ser'v'e", "exec ser'v'e", "serve"),
    ("serve 'a; b | c & d (e) {f} `g`'", "exec serve 'a; b | c & d (e) {f} `g`'", "serve"),
    ('serve "a; b | c & d (e) {f}"', 'exec serve "a; b | c & d (e) {f}"', "serve"),
    ("serve a\\;b \\| \\& \\( \\{ \\`", "exec serve a\\;b \\| \\& \\( \\{ \\`", "serve"),
    ("serve 'it''s'", "exec serve 'it''s'", "serve"),
    ("serve 'two\nlines'", "exec serve 'two\nlines'", "serve"),
    ("serve \\\n  --port 1", "exec serve \\\n  --port 1", "serve"),
    ("ser\\\nve", "exec ser\\\nve", "serve"),
    ("serve \\", "exec serve \\", "serve"),
    ("serve # a; b", "exec serve # a; b", "serve"),
    ("serve a#b", "exec serve a#b", "serve"),
    ("serve > out 2>&1", "exec serve > out 2>&1", "serve"),
    ("serve >out 2>err <in", "exec serve >out 2>err <in", "serve"),
    ("serve 2>/dev/null x", "exec serve 2>/dev/null x", "serve"),
    ("serve >>out >|out 3<>x", "exec serve >>out >|out 3<>x", "serve"),
    (">out serve", ">out exec serve", "serve"),
    ("2>&1 A=1 serve", "2>&1 A=1 exec serve", "serve"),
    ("serve>out", "exec serve>out", "serve"),
    ("serve $PORT", "exec serve $PORT", "serve"),
    ("serve ${PORT}", "exec serve ${PORT}", "serve"),
    ("serve --port=${PORT:-8000}", "exec serve --port=${PORT:-8000}", "serve"),
    ("serve ${A:-'x y'} ${B:-\"z\"}", "exec serve ${A:-'x y'} ${B:-\"z\"}", "serve"),
    ("serve ${A:-${B:-c}}", "exec serve ${A:-${B:-c}}", "serve"),
    ('serve "${PORT:-8000}; $X"', 'exec serve "${PORT:-8000}; $X"', "serve"),
    ("serve $", "exec serve $", "serve"),
    ('serve "$"', 'exec serve "$"', "serve"),
    ('serve "cost: $ 5"', 'exec serve "cost: $ 5"', "serve"),
    ('serve "$(date; echo "a)b" \'(\')"', 'exec serve "$(date; echo "a)b" \'(\')"', "serve"),
    ('serve "$(a $(b) \\) c)"', 'exec serve "$(a $(b) \\) c)"', "serve"),
    ('serve "`date \\` x`"', 'exec serve "`date \\` x`"', "serve"),
    ('serve "a\\"b\\$c\\\nd\\e"', 'exec serve "a\\"b\\$c\\\nd\\e"', "serve"),
    ("$PYTHON -m x", "exec $PYTHON -m x", None),
    ('"$VENV/bin/serve"', 'exec "$VENV/bin/serve"', None),
    ("${PYTHON:-python3} -m x", "exec ${PYTHON:-python3} -m x", None),
    ("~/bin/serve", "exec ~/bin/serve", None),
    ("/opt/*/serve", "exec /opt/*/serve", None),
    ("bash -c 'cd x && exec y'", "exec bash -c 'cd x && exec y'", "bash"),
    ("env A=1 serve", "exec env A=1 serve", "env"),
    ("sleep 2", "exec sleep 2", "sleep"),
    ("python3 -c 'print(1)'", "exec python3 -c 'print(1)'", "python3"),
    ("'if' x", "exec 'if' x", "if"),
    ("!serve", "exec !serve", "!serve"),
    ("serve café", "exec serve café", "serve"),
]

LEFT_TO_THE_SHELL = [
    "exit 7",
    "cd x && y",
    "a | b",
    "a; b",
    "a;",
    "a &",
    "a && b",
    "a || b",
    "a\nb",
    "a # comment\nb",
    "(a)",
    "{ a; }",
    "a {b}",
    "find . -exec x {} +",
    "a $(b)",
    "a $((1+2))",
    "a `b`",
    "a=$(b) c",
    "a=(b) c",
    "a <(b)",
    "a &> out",
    "a << END",
    "a <<< b",
    "a >",
    "a > # b",
    "if true",
    "while x",
    "for x in y",
    "! serve",
    "time serve",
    "[[ -e x ]]",
    "[ -e x ]",
    "echo hi",
    "true",
    "test -e x",
    "printf x",
    "exec serve",
    "A=1 exec serve",
    "command serve",
    "eval serve",
    ". ./x",
    "source x",
    "export A=1",
    "wait",
    "'cd' x",
    "\\cd x",
    "A=1",
    "A+=1 serve",
    "> out",
    "# only a comment",
    "",
    "   ",
    "serve 'open",
    'serve "open',
    'serve "${open"',
    'serve "$(open"',
    'serve "$(open',
    'serve "`open"',
    "serve ${open",
    "serve ${A:-$(b)}",
    "serve ${A:-(b)}",
    'serve "${A:-"b"}"',
    'serve "$(case x in x) y;; esac)"',
    'serve "$(cat <<E)"',
    "serve " + '"$(' * 50 + ')"' * 50,
    "serve\u00a0x",
    "serve \r x",
]


@pytest.mark.parametrize(("text", "given", "name"), SIMPLE)
def test_one_simple_command_becomes_the_leader_itself(text, given, name):
    assert argv(text) == ("/bin/sh", "-c", given)
    assert program(text) == name


@pytest.mark.parametrize("text", LEFT_TO_THE_SHELL)
def test_everything_else_is_left_to_the_shell(text):
    assert argv(text) == ("/bin/sh", "-c", text)
    assert program(text) is None


def test_an_array_is_executed_as_it_is():
    assert argv(("serve", "$x", "a; b")) == ("serve", "$x", "a; b")
    assert program(("serve", "x")) == "serve"


def test_the_number_of_the_instance_is_put_in_everywhere():
    assert with_instance("a${instance}b${instance} $instance ${HOME}", 3) == (
        "a3b3 $instance ${HOME}"
    )


PRINT = "print(' '.join(sys.argv[1:]))"

ALIKE = [
    f"{sys.executable} -c 'import sys; {PRINT}' a 'b;c' \"d|e\"",
    f"A=1 B='x y' {sys.executable} -c 'import os; print(os.environ[\"A\"] + os.environ[\"B\"])'",
    f'{sys.executable} -c \'import sys; {PRINT}\' ${{MISSING:-z}} "$(echo "q)r"; echo s)"',
    f"{sys.executable} -c 'import sys; print(5, file=sys.stderr)' 2>&1",
    f">&2 A=1 {sys.executable} -c 'import sys; {PRINT}' x # comment; echo no",
    f"{sys.executable} \\\n -c 'import sys; {PRINT}' a\\;b a\\\nb",
    f"{sys.executable} -c 'import sys; sys.exit(7)'",
    "no-such-program-anywhere x",
    "cd / && pwd",
    "exit 3",
    "echo a | cat; echo b",
    "if true; then echo c; fi",
    "X=1",
    "A=1 exit 4",
]


def test_the_port_is_replaced_and_nothing_else():
    assert with_port("a ${port}:${port} $port ${PORT} $${port}", 8001) == (
        "a 8001:8001 $port ${PORT} $8001"
    )


@pytest.mark.parametrize(
    ("text", "names", "becomes"),
    [
        ("--fd ${fd}", [""], "--fd 3"),
        ("fd://${fd} fd://${fd}", ["web"], "fd://3 fd://3"),
        ("${fd:web} ${fd:admin}", ["admin", "web"], "4 3"),
        ("${fd:0} ${fd:1}", ["", ""], "3 4"),
        # A name comes before a place.
        ("${fd:1} ${fd:0}", ["1", "x"], "3 3"),
        ("${fd:a.b-c_d}", ["", "a.b-c_d"], "4"),
        ("$fd {fd} ${FD} ${fdx}", [""], "$fd {fd} ${FD} ${fdx}"),
        ("${fd:gone} ${fd:7} ${fd:}", [""], "${fd:gone} ${fd:7} ${fd:}"),
        ("${fd}", [], "${fd}"),
    ],
)
def test_addresses_become_their_descriptors(text, names, becomes):
    assert with_fds(text, names) == becomes


def run(words: tuple[str, ...]) -> tuple[int, str, str]:
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    # dash names the line it was on, which `exec` does not change.
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("text", ALIKE)
def test_the_shell_does_the_same_with_and_without_exec(text):
    plain_code, plain_out, plain_err = run(("/bin/sh", "-c", text))
    code, out, err = run(argv(text))

    assert (code, out) == (plain_code, plain_out)
    assert err.replace("exec: ", "") == plain_err.replace("exec: ", "")


@pytest.mark.slow
def test_the_program_has_the_pid_that_was_spawned():
    text = f"A=1 {sys.executable} -c 'import os; print(os.getpid())' 2>&1"
    process = subprocess.Popen(argv(text), stdout=subprocess.PIPE, text=True)
    out, _ = process.communicate(timeout=60)

    assert int(out) == process.pid
