"""What can keep a mesh from running; each error says what to do, in one line, or in one line per mistake.

LaunchError
├── MissingPart      a wheel with a server or a model is not installed
├── WrongSettings    a service would refuse its environment
├── StateUnusable    the state folder, or what is in it, cannot be used
├── CatalogUnusable  the catalog of providers and models has mistakes
├── EngineUnusable   the engine, or the model it should run, is missing
├── PortTaken        another process listens on a part's port
├── PartFailed       a part ended, or did not become healthy in time
├── AlreadyRunning   a mesh runs from this state folder
└── NotRunning       no mesh runs from this state folder
"""


class LaunchError(Exception):
    """The mesh cannot do what was asked; the text is for people."""


class MissingPart(LaunchError):
    """A wheel with a server or a model is not installed."""


class WrongSettings(LaunchError):
    """A service would refuse its environment."""


class StateUnusable(LaunchError):
    """The state folder, or what is in it, cannot be used."""


class CatalogUnusable(LaunchError):
    """The catalog of providers and models has mistakes."""


class EngineUnusable(LaunchError):
    """The engine, or the model it should run, is missing."""


class PortTaken(LaunchError):
    """Another process listens on a part's port."""


class PartFailed(LaunchError):
    """A part ended, or did not become healthy in time."""


class AlreadyRunning(LaunchError):
    """A mesh runs from this state folder."""


class NotRunning(LaunchError):
    """No mesh runs from this state folder."""
