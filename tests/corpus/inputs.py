"""Small inputs that tests of the corpus stage share: pictures, documents, archives, files in memory."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from PIL import Image

from abs_index.errors import RejectedError

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)


def picture(
    format_: str = "PNG", colour: object = RED, size: tuple[int, int] = (8, 6), mode: str = "RGB", **how: object
) -> bytes:
    """A picture of one colour."""
    return encoded(Image.new(mode, size, colour), format_, **how)  # type: ignore[arg-type]


def encoded(image: Image.Image, format_: str, **how: object) -> bytes:
    """An image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, format_, **how)  # type: ignore[arg-type]
    return buffer.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_claiming(width: int, height: int, *extra: bytes) -> bytes:
    """A PNG whose header claims any size, with hardly any data behind it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (
        png_chunk(b"IHDR", header),
        *extra,
        png_chunk(b"IDAT", zlib.compress(bytes(100))),
        png_chunk(b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def article(*images: str, doi: str = "", text: str = "It floats, as shown in") -> bytes:
    """A JATS article with one figure an image."""
    figures = "".join(
        f'<fig id="f{n}"><label>Figure {n}</label><caption><p>Boat {n}.</p></caption>'
        f'<graphic xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{image}"/></fig>'
        for n, image in enumerate(images, 1)
    )
    identifier = f'<article-id pub-id-type="doi">{doi}</article-id>' if doi else ""
    title = "<title-group><article-title>Boats</article-title></title-group>"
    front = f"<front><article-meta>{identifier}{title}</article-meta></front>"
    mention = f'<p>{text} <xref ref-type="fig" rid="f1">Figure 1</xref></p>'
    return f"<article>{front}<body>{mention}{figures}</body></article>".encode()


def write_tree(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path: Path, files: Mapping[str, bytes] | list[tuple[str, bytes]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], *special: tarfile.TarInfo) -> Path:
    """A tar archive, compressed where the name ends in "gz"; `special` are members without content."""
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in special:
            archive.addfile(member)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link, device or pipe for `write_tar`."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


class MemoryFiles:
    """`Files` in memory."""

    prefix = ""

    def __init__(self, *names: str, **sizes: int) -> None:
        self._sizes = dict.fromkeys(names, 10) | {name.replace("__", "."): size for name, size in sizes.items()}

    def names(self) -> Iterator[str]:
        return iter(sorted(self._sizes))

    def list_folder(self, folder: str) -> tuple[str, ...]:
        return tuple(name for name in self.names() if name.rpartition("/")[0] == folder)

    def size(self, name: str) -> int | None:
        return self._sizes.get(name)

    def read(self, name: str, limit: int | None = None) -> bytes:
        raise RejectedError("cannot be read", "no permission")
