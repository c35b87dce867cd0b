"""Stops a mesh from outside the process that runs it."""

import signal

import psutil

from weft_compose.errors import NotRunning, PartFailed
from weft_compose.state import Mesh, StateFolder


def stop_mesh(state: StateFolder, timeout_s: float = 120.0) -> Mesh:
    """Asks the launcher to drain, and returns the mesh that ran once all its processes have ended.

    Raises:
        NotRunning: there is no launcher, or its pid now belongs to another process.
        PartFailed: it belongs to another user, or a process is left after `timeout_s` seconds.
    """
    mesh = state.read()
    launcher = mesh.launcher.find() if mesh and mesh.launcher else None
    if mesh is None or launcher is None:
        raise NotRunning(f"no mesh runs from {state.root}: start one with `weft up`")
    parts = [process for part in mesh.parts if (process := part.process.find())]
    try:
        # psutil checks again whether the pid still belongs to that process.
        launcher.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        raise NotRunning(f"no mesh runs from {state.root} any more") from None
    except psutil.AccessDenied:
        raise PartFailed(f"the mesh belongs to {launcher.username()}: stop it as that user") from None
    _, left = psutil.wait_procs([launcher, *parts], timeout_s)
    if left:
        pids = " ".join(str(process.pid) for process in left)
        raise PartFailed(f"not gone after {timeout_s:.0f} s: end them with `kill -9 {pids}`")
    return mesh
