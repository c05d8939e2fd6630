"""Models of the Hugging Face Hub, `hf:ORG/NAME` or `hf:ORG/NAME@REVISION`.

Only the files that a model folder consists of are fetched, whatever else is in the repository. They lie in the hub's
own cache (`HF_HOME`), where they are found again without a network; `HF_HUB_OFFLINE=1` asks nobody.
"""

from __future__ import annotations

import re
from pathlib import Path

from abs_index.errors import MissingExtraError, ModelError, UsageError
from abs_index.model.folder import CARD, FILES

PREFIX = "hf:"

_NAME = re.compile(r"hf:(?P<repository>[\w-][\w.-]*/[\w-][\w.-]*)(?:@(?P<revision>[\w-][\w./-]*))?")
_SNAPSHOT = re.compile(r"models--(?P<owner>.+)--(?P<name>.+)/snapshots/(?P<revision>[0-9a-f]{40})")


def fetch_model(name: str) -> Path:
    """The folder of a model of the hub, in the cache; without a network, as it was fetched last.

    Raises UsageError for a name of another form, MissingExtraError without huggingface_hub, ModelError for a model that
    does not exist, cannot be fetched, lacks files, or has files that are links to somewhere else.
    """
    parts = _NAME.fullmatch(name)
    if parts is None or ".." in name:
        raise UsageError(f"{name!r} is no model of the hub: write hf:ORG/NAME or hf:ORG/NAME@REVISION")
    snapshot = _download(name, parts["repository"], parts["revision"])
    missing = [one for one in FILES if not (snapshot / one).is_file()]
    if missing:
        raise ModelError(f"{name}: no model of abs-index: {', '.join(missing)} is not in it or was not fetched")
    home = snapshot.parents[1].resolve()
    strays = [one for one in (*FILES, CARD) if not (snapshot / one).resolve().is_relative_to(home)]
    if strays:
        raise ModelError(f"{snapshot / strays[0]}: a link out of the model; delete {home} and fetch it again")
    return snapshot


def hub_name(folder: Path) -> str | None:
    """`hf:ORG/NAME@REVISION` with the exact revision, for a folder that `fetch_model` gave; None for any other.

    >>> hub_name(Path("hub/models--org--my-model/snapshots/" + 40 * "a"))
    'hf:org/my-model@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
    """
    parts = _SNAPSHOT.fullmatch("/".join(folder.parts[-3:]))
    return f"{PREFIX}{parts['owner']}/{parts['name']}@{parts['revision']}" if parts else None


def _download(name: str, repository: str, revision: str | None) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
    except ModuleNotFoundError as error:
        if error.name == "huggingface_hub":
            raise MissingExtraError("a model of the hub", "hub") from None
        raise
    # Whatever carries the requests has errors of its own, and no version of the hub's client hides them all.
    transport: type[Exception] = errors.HfHubHTTPError.__bases__[0]
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=[*FILES, CARD]))
    except errors.RevisionNotFoundError:
        raise ModelError(f"{name}: the model has no revision {revision!r}") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(f"{name}: no such model on the hub, or no right to it (HF_TOKEN says who you are)") from None
    except errors.LocalEntryNotFoundError:
        raise ModelError(f"{name}: not in the cache of the hub, and the hub itself is out of reach") from None
    except (OSError, ValueError, transport) as error:
        lines = str(error).split("\n")
        raise ModelError(f"{name}: cannot be fetched: {lines[0] or type(error).__name__}") from None
