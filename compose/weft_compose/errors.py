"""What can keep a mesh from running, each told in a line, or a line a mistake, that says what to do.

LaunchError
├── MissingPart      a wheel that holds a server or a model is not installed
├── WrongSettings    a service would refuse what the environment tells it
├── StateUnusable    the state folder, or what is in it, cannot be used
├── CatalogUnusable  the catalog of providers and models has mistakes
├── EngineUnusable   the engine, or the model it should run, is not there
├── PortTaken        somebody else listens where a part wants to
├── PartFailed       a part ended, or did not become healthy in time
├── AlreadyRunning   a mesh runs from this state folder
└── NotRunning       no mesh runs from this state folder
"""


class LaunchError(Exception):
    """Keeps the mesh from doing what was asked; its text is for a person."""


class MissingPart(LaunchError):
    """A wheel that holds a server or a model is not installed."""


class WrongSettings(LaunchError):
    """A service would refuse what the environment tells it."""


class StateUnusable(LaunchError):
    """The state folder, or what is in it, cannot be used."""


class CatalogUnusable(LaunchError):
    """The catalog of providers and models has mistakes."""


class EngineUnusable(LaunchError):
    """The engine, or the model it should run, is not there."""


class PortTaken(LaunchError):
    """Somebody else listens where a part wants to."""


class PartFailed(LaunchError):
    """A part ended, or did not become healthy in time."""


class AlreadyRunning(LaunchError):
    """A mesh runs from this state folder."""


class NotRunning(LaunchError):
    """No mesh runs from this state folder."""
