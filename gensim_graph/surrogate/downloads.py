"""Trained models from the internet: downloaded once, checked by their hash, and kept in the cache.

A model is two files, ``surrogate.json`` and ``weights.safetensors``; neither holds anything that could be executed.
"""

import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch

from gensim_graph.errors import InputError
from gensim_graph.system import cache_folder, write_atomically

log = logging.getLogger(__name__)

_FILES = ("surrogate.json", "weights.safetensors")
_HUB = "https://huggingface.co"
_ORIGIN = "origin.json"
_SHA256 = re.compile(r"sha256=([0-9a-f]{64})")


@dataclass(frozen=True)
class ModelAddress:
    """Address of a model.

    Attributes:
        url: of the folder with the two files.
        sha256: hash of the weights, or None for any.
    """

    url: str
    sha256: str | None

    @classmethod
    def parse(cls, text: str) -> "ModelAddress":
        """Read an address.

        Args:
            text: ``https://HOST/FOLDER`` or ``hf://OWNER/NAME[@REVISION][/FOLDER]``, with ``#sha256=...`` behind it to
                accept these weights only.

        Raises:
            InputError: the address is incomplete, or of another kind.

        Example:
            >>> from gensim_graph.surrogate.downloads import ModelAddress
            >>> ModelAddress.parse("hf://seaice/arctic@v2/small").url
            'https://huggingface.co/seaice/arctic/resolve/v2/small'
        """
        # A path of pathlib has lost one of the two slashes.
        address, _, fragment = re.sub(r"^(\w+):/+", r"\1://", text).partition("#")
        found = _SHA256.fullmatch(fragment)
        if fragment and not found:
            raise InputError(
                f"{text}: expected #sha256= and 64 hexadecimal digits behind the address; came #{fragment}"
            )

        parts = urlsplit(address)
        if parts.scheme == "hf":
            address = _hub_url(text, parts.netloc, parts.path)
        elif not parts.netloc:
            raise InputError(f"{text}: expected https://HOST/FOLDER or hf://OWNER/NAME")

        return cls(address.rstrip("/"), found.group(1) if found else None)


def _hub_url(text: str, owner: str, path: str) -> str:
    """Return the address of a folder of the Hugging Face hub."""
    repository, *folders = path.strip("/").split("/")
    name, _, revision = repository.partition("@")
    if not owner or not name:
        raise InputError(f"{text}: expected hf://OWNER/NAME, hf://OWNER/NAME@REVISION or hf://OWNER/NAME/FOLDER")

    return "/".join([_HUB, owner, name, "resolve", revision or "main", *folders])


def is_address(text: object) -> bool:
    """Return True for the address of a model, as opposed to a folder or a name."""
    return re.match(r"(https?|hf):/", str(text)) is not None


def download_model(text: str) -> Path:
    """Return the folder of a model from the internet; it is downloaded once and works without a network afterwards.

    Args:
        text: address, see :meth:`ModelAddress.parse`.

    Raises:
        InputError: the address is wrong, the model cannot be downloaded, or its weights have another hash.
    """
    address = ModelAddress.parse(text)
    folder = _folder_of(address)

    for name in _FILES:
        if not (folder / name).exists():
            _download(address, name, folder)

    sha256 = pooch.file_hash(str(folder / _FILES[1]))
    if address.sha256 not in (None, sha256):
        raise InputError(
            f"{text}: the weights have the hash sha256={sha256}, not the one of the address; they are not those that "
            f"the address means. Delete {folder} to download them again"
        )

    _note_origin(folder, address, sha256)
    return folder


def downloaded_models() -> dict[str, Path]:
    """Return the models in the cache: address with hash, and folder."""
    found = {}
    for note in sorted(_models_folder().glob(f"*/{_ORIGIN}")):
        origin = json.loads(note.read_text())
        found[f"{origin['url']}#sha256={origin['sha256']}"] = note.parent

    return found


def _models_folder() -> Path:
    return cache_folder() / "models"


def _folder_of(address: ModelAddress) -> Path:
    """Folder of a model in the cache; another hash of the same address is another model."""
    text = re.sub(r"[^\w.-]+", "_", address.url.split("://")[1])
    return _models_folder() / (text if address.sha256 is None else f"{text}_{address.sha256[:16]}")


def _download(address: ModelAddress, name: str, folder: Path) -> None:
    known = f"sha256:{address.sha256}" if address.sha256 and name == _FILES[1] else None
    try:
        pooch.retrieve(f"{address.url}/{name}", known_hash=known, fname=name, path=folder)
    except ValueError as error:
        raise InputError(
            f"{address.url}/{name}: the weights have another hash than the address says ({error})"
        ) from None
    except Exception as error:  # of requests, urllib3 and the operating system
        raise InputError(
            f"{address.url}/{name}: cannot be downloaded ({' '.join(str(error).split())[:160]}); check the address and "
            "the network, or download both files by hand and give their folder"
        ) from None


def _note_origin(folder: Path, address: ModelAddress, sha256: str) -> None:
    """Write down where a model came from; a model without a hash in its address is announced once."""
    note = folder / _ORIGIN
    if note.exists():
        return

    text = json.dumps({"url": address.url, "sha256": sha256})
    write_atomically(note, lambda path: path.write_text(text))
    if address.sha256 is None:
        log.warning(
            "%s: downloaded to %s; to accept these weights only, write %s#sha256=%s",
            address.url,
            folder,
            address.url,
            sha256,
        )
