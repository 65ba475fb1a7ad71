"""Makes the virtual environment that `make` works in, whatever the Python at hand lacks.

    python3 tools/environment.py .venv

Nothing but the standard library, and no syntax that an older Python 3 could not read: this
file is what says that the Python is too old. Debian's python3 has neither `ensurepip` nor pip
(they are python3-venv and python3-pip), so pip may have to come from the package index.
"""

import hashlib
import os
import re
import ssl
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

OLDEST = (3, 11)
HINT = "on Debian and Ubuntu, as root: apt-get install python3-venv"
# A final release of pip in the page of a package index.
WHEEL = re.compile(
    r'<a[^>]*href="(?P<link>[^"#]+)#sha256=(?P<hash>[0-9a-f]{64})"(?P<rest>[^>]*)>'
    r"\s*pip-(?P<version>[0-9.]+)-py3-none-any\.whl\s*</a>"
)
NEEDS = re.compile(r"&gt;=\s*3\.([0-9]+)")


def main(folder):
    """Make *folder* an environment with pip in it; one that is so already stays as it is."""
    if sys.version_info < OLDEST:
        version = sys.version.split()[0]
        sys.exit(
            f"error: oxtrio needs Python 3.11 or newer, {sys.executable} is {version}; "
            "name another one: make PYTHON=python3.12"
        )
    if works(folder) or succeeds("-m", "venv", "--clear", folder):
        return
    if not succeeds("-m", "venv", "--clear", "--without-pip", folder):
        sys.exit(f"error: cannot make {folder}; {HINT}")
    if succeeds("-m", "pip", "--python", python_of(folder), "install", "pip"):
        return
    try:
        fetch_pip(folder)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: cannot fetch the pip that this Python lacks ({error}); {HINT}")


def python_of(folder):
    return os.path.join(folder, "bin", "python")


def works(folder):
    """Whether *folder* is an environment with a pip already."""
    try:
        return succeeds("-m", "pip", "--version", python=python_of(folder))
    except OSError:
        return False


def succeeds(*arguments, python=sys.executable):
    """Run Python quietly: where it fails there is another way, or a message of our own."""
    quiet = subprocess.DEVNULL
    return subprocess.run([python, *arguments], stdout=quiet, stderr=quiet).returncode == 0


def fetch_pip(folder):
    """Install the newest pip that this Python can run, straight from the package index."""
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    found = newest(WHEEL.finditer(read(index).decode()))
    if found is None:
        raise ValueError(f"{index} has no pip for this Python")
    data = read(urllib.parse.urljoin(index, found["link"].replace("&amp;", "&")))
    if hashlib.sha256(data).hexdigest() != found["hash"]:
        raise ValueError(f"the pip from {index} is not what its hash says")
    with tempfile.TemporaryDirectory() as place:
        wheel = os.path.join(place, f"pip-{found['version']}-py3-none-any.whl")
        with open(wheel, "wb") as file:
            file.write(data)
        # A wheel of pip is a zip file that can install itself.
        command = [python_of(folder), f"{wheel}/pip", "install", "-q", "--no-index", wheel]
        subprocess.run(command, check=True)


def newest(wheels):
    """The highest version among *wheels* that runs on this Python, or None."""
    usable = [wheel for wheel in wheels if runs_here(wheel["rest"])]
    return max(usable, key=lambda wheel: numbers(wheel["version"]), default=None)


def runs_here(attributes):
    needs = NEEDS.search(attributes)
    return needs is None or int(needs.group(1)) <= sys.version_info[1]


def numbers(version):
    return [int(part) for part in version.split(".") if part]


def read(url):
    """The bytes at *url*; trusts what pip would trust."""
    trust = ssl.create_default_context(cafile=os.environ.get("PIP_CERT"))
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=60, context=trust) as answer:
        return answer.read()


if __name__ == "__main__":
    main(sys.argv[1])
