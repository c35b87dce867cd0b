"""The user that servers run as: the one who starts them, but `nobody` if that is root; always without capabilities.

A server may not be able to enter the folders above its own, such as /root. So it is started in its data folder and uses
only relative paths, and a program that it could not reach is copied to where everybody may read it.
"""

import os
import pwd
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

# The working directory of a process, however long its path is and whoever may enter the folders above.
HERE = "/proc/self/cwd"
_READABLE, _PASSABLE = 0o444, 0o111


def runner() -> pwd.struct_passwd | None:
    """Returns the user that servers run as if root starts them; None for any other user."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def privileges() -> list[str]:
    """Returns the options of setpriv for a server: it drops all rights that it does not need, and cannot regain any."""
    whom = runner()
    if whom is None:
        return ["--no-new-privs"]
    capabilities = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    return [f"--reuid={whom.pw_uid}", f"--regid={whom.pw_gid}", "--clear-groups", *capabilities, "--no-new-privs"]


def give(folder: Path) -> None:
    """Gives a folder and everything in it to the runner, and closes it to all other users."""
    folder.chmod(0o700)
    if whom := runner():
        # Links are not followed: a process with fewer rights than this one wrote what is in the folder.
        for _, folders, files, handle in os.fwalk(folder):
            for name in (*folders, *files):
                os.chown(name, whom.pw_uid, whom.pw_gid, dir_fd=handle, follow_symlinks=False)
        os.chown(folder, whom.pw_uid, whom.pw_gid)


def reachable(*paths: Path) -> Path:
    """Returns the first of some neighbouring programs or folders; if the runner cannot read them, of copies of all."""
    if runner() is None or _is_open(paths[0]):
        return paths[0]
    # A copy's name contains its origin, so that other versions and environments have copies of their own.
    origin = "".join(f"{path.resolve()} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in paths)
    kept = Path(os.environ.get("CACHE_DIRECTORY", "/var/cache/weft"))
    copies = kept / f"{paths[0].name}-{sha256(origin.encode()).hexdigest()[:16]}"
    if not copies.exists():
        _copy(paths, kept, copies)
    return copies / paths[0].name


def _is_open(path: Path) -> bool:
    return all(above.stat().st_mode & 0o001 for above in path.resolve().parents)


def _copy(paths: Iterable[Path], kept: Path, copies: Path) -> None:
    """Copies to a draft and then renames it, so that an incomplete copy is never used."""
    kept.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = Path(mkdtemp(prefix=".draft-", dir=kept))
    try:
        for path in paths:
            copy = shutil.copytree if path.is_dir() else shutil.copy2
            copy(path, draft / path.name)
        for opened in (draft, *draft.rglob("*")):
            mode = opened.stat().st_mode
            is_passable = opened.is_dir() or mode & 0o100
            opened.chmod((mode & 0o755) | _READABLE | (_PASSABLE if is_passable else 0))
        draft.rename(copies)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        if not copies.exists():  # another launcher may have been faster
            raise
