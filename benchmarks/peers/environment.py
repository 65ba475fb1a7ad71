"""A virtual environment for the peers, so that nothing of theirs comes into oxtrio's own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.failure import Failed

FOLDER = Path(__file__).parents[2] / ".venv-peers"
_VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


@dataclass(frozen=True, slots=True)
class Environment:
    """A folder of `venv`, made when something is first asked of it."""

    folder: Path = FOLDER

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def version(self, package: str) -> str:
        """The version of *package*, which is installed where it is not. Raises `Failed`."""
        self._make()
        try:
            return self._python("-c", _VERSION, package)
        except subprocess.CalledProcessError:
            return self._install(package)

    def _make(self) -> None:
        if Path(self.program("python")).exists():
            return
        subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        (self.folder / ".gitignore").write_text("*\n")

    def _install(self, package: str) -> str:
        try:
            self._python("-m", "pip", "install", "-q", "--disable-pip-version-check", package)
            return self._python("-c", _VERSION, package)
        except subprocess.CalledProcessError as error:
            last = (error.stderr.strip().splitlines() or ["pip failed"])[-1]
            raise Failed(f"{package} is left out: it cannot be installed ({last})") from None

    def _python(self, *arguments: str) -> str:
        command = [self.program("python"), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        return done.stdout.strip()
