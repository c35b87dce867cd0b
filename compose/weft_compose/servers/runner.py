"""As whom servers run: as whoever starts them, but for root, whose servers run as nobody; with no capability at all.

Folders above a server's own may be closed to it, such as /root: it is started in its data folder and names nothing but
what lies there, and of a program that it could not reach there is a copy where everybody may read.
"""

import os
import pwd
import shutil
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp

# The folder in which a process runs, however long its path is and whoever may pass the folders above.
HERE = "/proc/self/cwd"
_READABLE, _PASSABLE = 0o444, 0o111


def runner() -> pwd.struct_passwd | None:
    """Returns whom servers run as when root starts them; None otherwise."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def privileges() -> list[str]:
    """Returns the options of setpriv for a server: it keeps no right that it does not need, and gets none back."""
    whom = runner()
    if whom is None:
        return ["--no-new-privs"]
    capabilities = ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
    return [f"--reuid={whom.pw_uid}", f"--regid={whom.pw_gid}", "--clear-groups", *capabilities, "--no-new-privs"]


def give(folder: Path) -> None:
    """Makes a folder, with all that is in it, the runner's, and shuts it to everybody else."""
    folder.chmod(0o700)
    if whom := runner():
        # Links are not followed: what is in the folder is the word of a process that may do less than this one.
        for _, folders, files, handle in os.fwalk(folder):
            for name in (*folders, *files):
                os.chown(name, whom.pw_uid, whom.pw_gid, dir_fd=handle, follow_symlinks=False)
        os.chown(folder, whom.pw_uid, whom.pw_gid)


def reachable(*paths: Path) -> Path:
    """Returns the first of some neighbours, programs or folders; of copies of all where the runner cannot read them."""
    if runner() is None or _is_open(paths[0]):
        return paths[0]
    # What a copy is of is in its name: that of another version, or of another environment, is another one.
    origin = "".join(f"{path.resolve()} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in paths)
    kept = Path(os.environ.get("CACHE_DIRECTORY", "/var/cache/weft"))
    copies = kept / f"{paths[0].name}-{sha256(origin.encode()).hexdigest()[:16]}"
    if not copies.exists():
        _copy(paths, kept, copies)
    return copies / paths[0].name


def _is_open(path: Path) -> bool:
    return all(above.stat().st_mode & 0o001 for above in path.resolve().parents)


def _copy(paths: Iterable[Path], kept: Path, copies: Path) -> None:
    """Copies beside the place and moves the whole there, so that a broken-off copy is never taken for one."""
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
