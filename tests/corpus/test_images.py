from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from abs_index.corpus.document import Document, Figure
from abs_index.corpus.images import decode_figure, decode_image
from abs_index.corpus.rejects import EMPTY_FILE, IMAGE_DAMAGED, IMAGE_FORMAT, IMAGE_TOO_LARGE
from abs_index.errors import RejectedError
from abs_index.recipe import CorpusSettings
from tests.corpus.inputs import BLACK, BLUE, GREEN, RED, WHITE, MemoryFiles, encoded, picture, png_chunk, png_claiming

# pytest puts its own filters before those of the module; that it ignores them is tested in a process of its own.
PILLOW_WARNS = "ignore::UserWarning"
DEFAULTS = CorpusSettings()


def colour_at(content: bytes, x: int = 1, y: int = 1) -> tuple[int, ...]:
    colour = decode_image(content).image.getpixel((x, y))
    assert isinstance(colour, tuple)
    return colour


def is_near(colour: tuple[int, ...], wanted: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(a - b) <= by for a, b in zip(colour, wanted, strict=True))


def rejected(content: bytes, settings: CorpusSettings = DEFAULTS) -> RejectedError:
    with pytest.raises(RejectedError) as caught:
        decode_image(content, settings=settings)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_every_format_is_told_by_content(format_: str) -> None:
    decoded = decode_image(picture(format_, RED, (9, 7)))
    assert (decoded.width, decoded.height, decoded.format) == (9, 7, format_)
    assert decoded.image.mode == "RGB"
    assert is_near(decoded.image.getpixel((4, 3)), RED)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS"),
        (b"\xc5\xd0\xd3\xc6" + bytes(28), "EPS"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\xd7\xcd\xc6\x9a" + bytes(20), "WMF"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
        (b"P6 2 2 255\n" + bytes(12), "not a known kind of picture"),
        (b"some words", "not a known kind of picture"),
    ],
)
def test_other_formats_are_rejects_that_say_what_they_are(content: bytes, what: str) -> None:
    error = rejected(content)
    assert (error.reason, error.detail) == (IMAGE_FORMAT, what)


def test_an_svg_packed_with_gzip_is_an_svg() -> None:
    packer = zlib.compressobj(wbits=31)
    assert rejected(packer.compress(b"<svg/>") + packer.flush()).detail == "SVG"


def test_a_file_without_bytes() -> None:
    assert rejected(b"").reason == EMPTY_FILE


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
@pytest.mark.filterwarnings(PILLOW_WARNS)
def test_a_picture_cut_off_is_a_reject_and_not_half_a_picture(format_: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    whole = encoded(noise, format_)
    for length in (20, len(whole) // 2, len(whole) * 4 // 5):
        assert rejected(whole[:length]).reason in (IMAGE_DAMAGED, IMAGE_FORMAT)
    assert rejected(whole[: len(whole) // 2]).reason == IMAGE_DAMAGED


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
@pytest.mark.filterwarnings(PILLOW_WARNS)
def test_damaged_bytes_are_rejects_or_pictures_and_nothing_else(format_: str) -> None:
    random = np.random.default_rng(2)
    noise = Image.fromarray(random.integers(0, 255, (24, 24, 3), np.uint8))
    whole = encoded(noise, format_)
    for _ in range(300):
        broken = bytearray(whole)
        for place in random.integers(0, min(len(whole), 400), 4):
            broken[place] = random.integers(0, 256)
        try:
            assert decode_image(bytes(broken), settings=CorpusSettings(max_image_pixels=10**6)).image.mode == "RGB"
        except RejectedError as error:
            assert error.reason in (IMAGE_DAMAGED, IMAGE_FORMAT, IMAGE_TOO_LARGE)


def test_a_png_of_60000_x_60000_is_refused_by_its_header_and_the_limit_is_named() -> None:
    error = rejected(png_claiming(60_000, 60_000))
    assert error.reason == IMAGE_TOO_LARGE
    assert "60000 x 60000" in error.detail
    assert "100,000,000" in error.detail


def test_the_limit_is_a_setting() -> None:
    content = picture(size=(20, 20))
    assert rejected(content, CorpusSettings(max_image_pixels=399)).reason == IMAGE_TOO_LARGE
    assert decode_image(content, settings=CorpusSettings(max_image_pixels=400)).width == 20


def test_a_gif_with_a_vast_screen_around_a_tiny_frame() -> None:
    gif = bytearray(picture("GIF"))
    gif[6:10] = struct.pack("<HH", 60_000, 34_000)
    assert rejected(bytes(gif)).reason == IMAGE_TOO_LARGE


def test_a_webp_canvas_is_checked_before_memory_is_taken_for_it() -> None:
    webp = bytearray(encoded(Image.new("RGBA", (8, 8), (*RED, 9)), "WEBP", exif=b"Exif\0\0"))
    assert webp[12:16] == b"VP8X"
    webp[24:30] = b"\xfe\x3f\x00" * 2
    assert rejected(bytes(webp)).reason == IMAGE_TOO_LARGE


def test_nothing_is_written_to_the_console_and_memory_stays_bounded() -> None:
    """In a process of its own, as Pillow's warnings would come: once, on the console."""
    program = """
import resource, sys
from abs_index.corpus.images import decode_image
from abs_index.errors import RejectedError
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))
for content in eval(sys.stdin.read()):
    try:
        decode_image(content)
    except RejectedError as error:
        print(error.reason)
"""
    palette = Image.new("P", (8, 8))
    contents = [
        encoded(palette, "PNG", transparency=bytes([0, 128, 255])),
        picture("PNG", 1, (9600, 9600), "1"),  # more than Pillow's own limit, less than ours
        png_claiming(60_000, 60_000),
        encoded(Image.new("RGB", (8, 8)), "TIFF", compression="tiff_lzw").replace(b"\x80", b"\xff"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", program], input=repr(contents), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.split("\n")[:2] == [IMAGE_TOO_LARGE, IMAGE_DAMAGED]


def line_art(mode: str) -> Image.Image:
    """A black square on a transparent ground, whose hidden colour is black too."""
    rgba = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    rgba.paste((0, 0, 0, 255), (8, 8, 12, 12))
    return rgba.convert(mode)


def test_transparent_ground_is_white() -> None:
    palette = Image.new("P", (20, 20), 0)
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.paste(1, (8, 8, 12, 12))
    keyed = Image.new("RGB", (20, 20), (1, 2, 3))
    keyed.paste(BLACK, (8, 8, 12, 12))
    grey = Image.new("L", (20, 20), 7)
    grey.paste(0, (8, 8, 12, 12))
    for content in (
        encoded(line_art("RGBA"), "PNG"),
        encoded(line_art("LA"), "PNG"),
        encoded(line_art("RGBA"), "WEBP", lossless=True),
        encoded(line_art("RGBA"), "TIFF"),
        encoded(palette, "PNG", transparency=bytes([0, 255])),
        encoded(palette, "PNG", transparency=0),
        encoded(palette, "GIF", transparency=0),
        encoded(keyed, "PNG", transparency=(1, 2, 3)),
        encoded(grey, "PNG", transparency=7),
    ):
        assert is_near(colour_at(content), WHITE)
        assert is_near(colour_at(content, 10, 10), BLACK)


def test_half_transparent_is_half_white() -> None:
    assert is_near(colour_at(picture("PNG", (0, 0, 0, 128), mode="RGBA")), (127, 127, 127))


def png16(values: np.ndarray, *chunks: bytes) -> bytes:
    """A 16-bit PNG, grey (h, w) or colour (h, w, 3), as Pillow does not write them in colour."""
    kind = 0 if values.ndim == 2 else 2
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    body = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def test_sixteen_bits_are_scaled_and_not_cut_off() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[np.newaxis].repeat(4, 0)
    for content in (png16(ramp), encoded(Image.fromarray(ramp), "TIFF"), png16(ramp[..., np.newaxis].repeat(3, 2))):
        red = np.asarray(decode_image(content).image)[0, :, 0].astype(int)
        assert np.abs(red - np.arange(256)).max() <= 1


def test_a_page_of_sixteen_bits_that_counts_from_white() -> None:
    dark = encoded(Image.fromarray(np.full((4, 4), 65_000, np.uint16)), "TIFF", tiffinfo={262: 0})
    assert colour_at(dark)[0] <= 2


def test_a_transparent_colour_of_sixteen_bits() -> None:
    grey = np.full((4, 4), 1000, np.uint16)
    grey[2:, 2:] = 40_000
    content = png16(grey, png_chunk(b"tRNS", struct.pack(">H", 1000)))
    assert colour_at(content, 0, 0) == WHITE
    assert is_near(colour_at(content, 3, 3), (156, 156, 156))
    colour = grey[..., np.newaxis].repeat(3, 2)
    content = png16(colour, png_chunk(b"tRNS", struct.pack(">HHH", 1000, 1000, 1000)))
    assert colour_at(content, 0, 0) == WHITE


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0, 12.5e6])
def test_floating_point_pictures_use_the_whole_range(top: float) -> None:
    values = np.linspace(0, top, 64, dtype=np.float32)[np.newaxis].repeat(4, 0)
    red = np.asarray(decode_image(encoded(Image.fromarray(values), "TIFF")).image)[0, :, 0]
    assert (red[0], red[-1]) == (0, 255)
    assert 110 < red[32] < 145


def test_floating_point_pictures_with_holes() -> None:
    values = np.array([[np.nan, np.inf, -5.0, 5.0]], np.float32)
    pixels = np.asarray(decode_image(encoded(Image.fromarray(values), "TIFF")).image)
    assert (pixels[0, 2, 0], pixels[0, 3, 0]) == (0, 255)


def test_one_bit() -> None:
    image = Image.new("1", (9, 9), 1)
    image.putpixel((1, 1), 0)
    for format_ in ("PNG", "TIFF", "BMP"):
        assert colour_at(encoded(image, format_)) == BLACK
        assert colour_at(encoded(image, format_), 5, 5) == WHITE


def test_printers_colours_come_out_right() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    for content in (encoded(cmyk, "JPEG", quality=95), encoded(cmyk, "TIFF")):
        assert is_near(colour_at(content), RED, 20)
    white = Image.new("CMYK", (16, 16), (0, 0, 0, 0))
    assert is_near(colour_at(encoded(white, "JPEG")), WHITE, 20)


def test_a_colour_space_that_cannot_be_converted_is_a_reject() -> None:
    assert rejected(encoded(Image.new("LAB", (8, 8)), "TIFF")).reason == IMAGE_FORMAT


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (12, 12), colour) for colour in (RED, GREEN, BLUE)]
    for format_ in ("GIF", "PNG", "WEBP"):
        moving = encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=50)
        assert is_near(colour_at(moving), RED)


def test_a_transparent_first_frame_is_white() -> None:
    first = Image.new("P", (12, 12), 0)
    first.putpalette([0, 0, 0, 255, 0, 0])
    second = first.copy()
    second.paste(1, (0, 0, 12, 12))
    ghost = encoded(first, "GIF", save_all=True, append_images=[second], transparency=0, duration=50)
    assert colour_at(ghost, 5, 5) == WHITE


def test_first_page_also_where_the_pages_differ() -> None:
    pages = [Image.new("L", (9, 5), 60), Image.new("RGB", (3, 30), RED), Image.new("1", (7, 7))]
    decoded = decode_image(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert (decoded.width, decoded.height) == (9, 5)
    assert decoded.image.getpixel((8, 4)) == (60, 60, 60)


@pytest.mark.parametrize("chunk", [b"zTXt", b"iCCP"])
@pytest.mark.parametrize("at_end", [False, True])
def test_a_png_with_oversized_metadata_is_read_without_them(chunk: bytes, at_end: bool) -> None:
    large = png_chunk(chunk, b"name\0\0" + zlib.compress(bytes(3 * 2**20)))
    plain = picture("PNG", BLUE)
    cut = plain.index(b"IEND") - 4 if at_end else plain.index(b"IDAT") - 4
    assert colour_at(plain[:cut] + large + plain[cut:]) == BLUE


def test_ordinary_metadata_do_no_harm() -> None:
    notes = PngInfo()
    notes.add_text("Comment", "words " * 1000, zip=True)
    assert colour_at(picture("PNG", BLUE, pnginfo=notes)) == BLUE


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(format_: str, orientation: int) -> None:
    upright = Image.new("RGB", (32, 16), WHITE)
    upright.paste(RED, (0, 0, 8, 8))
    T = Image.Transpose  # noqa: N806
    # How a camera that holds the picture this way has stored it.
    stored = {
        2: T.FLIP_LEFT_RIGHT,
        3: T.ROTATE_180,
        4: T.FLIP_TOP_BOTTOM,
        5: T.TRANSPOSE,
        6: T.ROTATE_90,
        7: T.TRANSVERSE,
        8: T.ROTATE_270,
    }
    image = upright.transpose(stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(encoded(image, format_, exif=exif.tobytes()))
    assert (decoded.width, decoded.height) == decoded.image.size == (32, 16)
    assert is_near(decoded.image.getpixel((3, 3)), RED, 40)  # type: ignore[arg-type]
    assert is_near(decoded.image.getpixel((28, 12)), WHITE, 40)  # type: ignore[arg-type]


@pytest.mark.filterwarnings(PILLOW_WARNS)
def test_damaged_exif_data_count_as_none() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x63"
    assert is_near(colour_at(picture("JPEG", BLUE, exif=exif)), BLUE)


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_large_picture_comes_back_reduced_but_never_too_small(format_: str) -> None:
    content = picture(format_, GREEN, (1000, 700))
    decoded = decode_image(content, target=100)
    assert (decoded.width, decoded.height) == (1000, 700)
    assert 200 <= decoded.image.height < 700
    assert is_near(decoded.image.getpixel((5, 5)), GREEN)  # type: ignore[arg-type]
    assert decode_image(content, target=400).image.size == (1000, 700)
    assert decode_image(picture(format_, GREEN, (3000, 90)), target=100).image.size == (3000, 90)


def test_threads_may_decode_at_once() -> None:
    contents = [picture("JPEG", colour, (200, 200)) for colour in (RED, GREEN, BLUE)] * 8
    with ThreadPoolExecutor(4) as pool:
        colours = list(pool.map(colour_at, contents))
    assert all(is_near(colour, wanted) for colour, wanted in zip(colours, [RED, GREEN, BLUE] * 8, strict=True))


class _Two(MemoryFiles):
    def read(self, name: str, limit: int | None = None) -> bytes:
        return picture("PNG", BLUE) if name == "good.png" else b"%PDF-1.5"


def test_the_picture_of_a_figure_is_the_first_that_decodes() -> None:
    figure = Figure("f1", images=("bad.pdf", "good.png", "unused.pdf"))
    document = Document("d", "a.xml", "a.xml", "jats", _Two("bad.pdf", "good.png"), figures=(figure,))
    name, decoded, rejects = decode_figure(document, figure)
    assert name == "good.png"
    assert decoded is not None
    assert [(r.path, r.reason, r.detail, r.document, r.figure) for r in rejects] == [
        ("bad.pdf", IMAGE_FORMAT, "PDF", "d", "f1")
    ]


def test_a_file_that_may_not_be_read_is_a_reject_of_its_figure() -> None:
    figure = Figure("f1", images=("a.png",))
    document = Document("d", "a.xml", "a.xml", "jats", MemoryFiles("a.png"), figures=(figure,))
    name, decoded, rejects = decode_figure(document, figure)
    assert (name, decoded) == ("", None)
    assert rejects[0].detail == "no permission"


def test_a_stream_of_several_jpegs_is_read_as_its_first() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "MPO", save_all=True, append_images=frames[1:])
    assert is_near(colour_at(buffer.getvalue()), RED)


def test_a_damaged_remark_does_not_damage_the_picture() -> None:
    png = picture("PNG", BLUE)
    remark = bytearray(png_chunk(b"tEXt", b"Comment\0kite"))
    remark[-1] ^= 1
    start = png.index(b"IDAT") - 4
    assert is_near(colour_at(png[:start] + bytes(remark) + png[start:]), BLUE)
    damaged = bytearray(png)
    damaged[start + 10] ^= 1
    assert rejected(bytes(damaged)).reason == IMAGE_DAMAGED
