"""Every exception that a user can meet; each message says what is wrong, where, and what to do.

PolyseeError
├── ConfigError        a setting, recipe key or argument is wrong
├── CheckpointError    a model folder is incomplete, misshapen, unsafe or of an unknown family
├── NotSupportedError  this model cannot do what was asked of it
├── MediaError         one file cannot be read; carries `path` and `reason`
├── DataError          a data set is absent or not of the expected form
├── LibraryError       a library is missing, damaged, locked or made with another model
├── QueryError         a query is empty or cannot be understood
└── OfflineError       a download is needed, and offline mode forbids it
"""

from __future__ import annotations


class PolyseeError(Exception):
    """The root of all errors that Polysee raises on purpose."""


class ConfigError(PolyseeError, ValueError):
    """A setting, recipe key or argument is wrong."""


class CheckpointError(PolyseeError):
    """A model folder is incomplete, misshapen, unsafe or of an unknown family."""


class NotSupportedError(PolyseeError):
    """This model cannot do what was asked of it."""


class MediaError(PolyseeError):
    """One file cannot be read.

    Args:
        path: the file, as the user named it.
        reason: a short phrase, such as "cut short" or "not a picture".
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[MediaError], tuple[str, str]]:
        """How it is handed from one process to another."""
        return type(self), (self.path, self.reason)


class DataError(PolyseeError):
    """A data set is absent or not of the expected form."""


class LibraryError(PolyseeError):
    """A library is missing, damaged, locked or made with another model."""


class QueryError(PolyseeError, ValueError):
    """A query is empty or cannot be understood."""


class OfflineError(PolyseeError):
    """A download is needed, and offline mode forbids it."""
