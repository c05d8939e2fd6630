"""The stable plugin that gives the small distribution the analysis it lacks: four Java classes, compiled on the spot.

What they are is said in `java/absindex/*.java`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import zipfile
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from abs_index.errors import ElasticsearchError
from abs_index.server.distribution import Distribution
from abs_index.server.java import Java

NAME = "abs-index"
ANALYSIS = "org.elasticsearch.plugin.analysis"
COMPONENTS = {
    f"{ANALYSIS}.AnalyzerFactory": {"english": "absindex.English"},
    f"{ANALYSIS}.TokenizerFactory": {"uax_url_email": "absindex.Addresses"},
    f"{ANALYSIS}.TokenFilterFactory": {"pattern_capture": "absindex.Captures", "unique": "absindex.Unique"},
}
"""Interface → name in a mapping → class: what the build tool of such plugins would write."""


def _sources() -> dict[str, str]:
    folder = files("abs_index.server") / "java" / "absindex"
    return {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".java")}


def plugin_fingerprint() -> str:
    """Changes with the plugin, so that a server that was unpacked with an older one is not used again."""
    content = json.dumps([sorted(_sources().items()), COMPONENTS])
    return sha256(content.encode()).hexdigest()[:8]


def install_plugin(distribution: Distribution, java: Java, home: Path) -> None:
    """Compiles the plugin against the server unpacked at `home` and puts it into its folder `plugins`.

    Raises ElasticsearchError where the compiler refuses it.
    """
    folder = home / "plugins" / NAME
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        _compile(distribution, java, home, Path(scratch))
        with zipfile.ZipFile(folder / "plugin.jar", "w") as jar:
            for built in sorted(Path(scratch, "classes").rglob("*.class")):
                jar.write(built, built.relative_to(Path(scratch, "classes")))
    (folder / "named_components.json").write_text(json.dumps(COMPONENTS), encoding="utf-8")
    (folder / "stable-plugin-descriptor.properties").write_text(
        f"name={NAME}\ndescription=Analysis that abs-index and the index of users need\nversion=1\n"
        f"elasticsearch.version={distribution.version}\njava.version={distribution.oldest_java}\n",
        encoding="utf-8",
    )


def _compile(distribution: Distribution, java: Java, home: Path, scratch: Path) -> None:
    paths = [scratch / name for name in _sources()]
    for path, source in zip(paths, _sources().values(), strict=True):
        path.write_text(source, encoding="utf-8")
    release = str(distribution.oldest_java)  # so that another Java may run it later
    command: list[str | Path] = [
        java.compiler,
        "--release",
        release,
        "-d",
        scratch / "classes",
        "-cp",
        f"{home / 'lib'}/*",
        *paths,
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if run.returncode:
        said = (run.stderr or run.stdout).strip().splitlines() or ["it said nothing"]
        raise ElasticsearchError(f"{java.compiler} refused the plugin for {distribution}: {said[0]}")
