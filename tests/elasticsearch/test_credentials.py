"""Credentials come from the environment or a private file, and show themselves nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from abs_index.errors import AccessError, UsageError
from abs_index.indexing.elasticsearch.connection import connect
from abs_index.indexing.elasticsearch.credentials import VARIABLES, Credentials, config_file, split_url

URL = "https://search.example.org:9200"
SECRET = "T0pSecret"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of whoever runs the tests."""
    for name in (*VARIABLES.values(), "ABS_INDEX_ES_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def store(content: str, mode: int = 0o600) -> Path:
    path = config_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    path.chmod(mode)
    return path


def test_nothing_is_needed() -> None:
    assert Credentials.find(URL) == Credentials()


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    monkeypatch.setenv("ABS_INDEX_ES_USER", "ada")
    monkeypatch.setenv("ABS_INDEX_ES_PASSWORD", SECRET + "\n")
    monkeypatch.setenv("ABS_INDEX_ES_CA_CERTS", str(ca))
    assert Credentials.find(URL) == Credentials(user="ada", password=SECRET, ca_certs=ca)


def test_from_the_table_for_the_server() -> None:
    other = '["https://other.example.org"]\napi_key = "no"\n'
    store(f'{other}["{URL}/"]\napi_key = "{SECRET}"\nca_fingerprint = "{"ab" * 32}"')
    assert Credentials.find(URL) == Credentials(api_key=SECRET, ca_fingerprint="ab" * 32)
    assert Credentials.find("https://other.example.org:443/").api_key == "no"
    assert Credentials.find("http://search.example.org:9200") == Credentials()


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    store(f'["{URL}"]\nuser = "ada"\npassword = "old"\nca_fingerprint = "{"ab" * 32}"')
    monkeypatch.setenv("ABS_INDEX_ES_API_KEY", SECRET)
    assert Credentials.find(URL) == Credentials(api_key=SECRET, ca_fingerprint="ab" * 32)


def test_a_file_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = store(f'["{URL}"]\napi_key = "{SECRET}"').rename(tmp_path / "mine.toml")
    monkeypatch.setenv("ABS_INDEX_ES_CONFIG", str(path))
    assert Credentials.find(URL).api_key == SECRET
    path.unlink()
    with pytest.raises(AccessError, match="no such file"):
        Credentials.find(URL)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660])
def test_a_file_that_others_can_read_is_refused(mode: int) -> None:
    path = store(f'["{URL}"]\napi_key = "{SECRET}"', mode)
    with pytest.raises(AccessError, match=f"chmod 600 {path}") as caught:
        Credentials.find(URL)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f'["{URL}"]\napi_key = {SECRET}', r"is no TOML \(line 2, column"),
        (f'["{URL}"]\napi_key = "\xff{SECRET}', "is no TOML"),
        (f'["{URL}"]\nkey = "{SECRET}"', "key 'key' .* is unknown; known: api_key, user"),
        (f'["{URL}"]\napi_key = ["{SECRET}"]', "key 'api_key' .* is no text"),
        (f'api_key = "{SECRET}"', "outside of a table"),
        (f'["nonsense"]\napi_key = "{SECRET}"', "'nonsense' is no URL"),
        (f'["{URL}"]\nuser = "ada"', "the password for Elasticsearch is missing"),
        (f'["{URL}"]\npassword = "{SECRET}"', "the user for Elasticsearch is missing"),
        (f'["{URL}"]\nuser = "ada"\npassword = "x"\napi_key = "{SECRET}"', "both an API key and"),
        (f'["{URL}"]\napi_key = "{SECRET} {SECRET}"', "holds blanks"),
        (f'["{URL}"]\nca_fingerprint = "{SECRET}"', "no SHA-256"),
        (f'["{URL}"]\nca_certs = "/nowhere/ca.pem"', "no such file of CA certificates"),
    ],
)
def test_what_does_not_validate_is_said_in_one_line_without_secrets(content: str, message: str) -> None:
    store(content)
    with pytest.raises(AccessError, match=message) as caught:
        Credentials.find(URL)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_are_in_no_representation() -> None:
    for credentials in (Credentials(user="ada", password=SECRET), Credentials(api_key=SECRET)):
        assert SECRET not in f"{credentials!r} {credentials}"
        assert "ada" not in repr(credentials)


@pytest.mark.parametrize(
    "url",
    [
        f"https://ada:{SECRET}@host:9200",
        f"http://ada:{SECRET}@host:port",
        f"ada:{SECRET}@host",
        f"https://{SECRET}@host",
    ],
)
def test_a_url_with_a_password_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(AccessError, match=r"do not belong in the URL.*ABS_INDEX_ES_PASSWORD") as caught:
        connect(url)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["", "host", "host:9200", "ftp://host", "https://", "https://host:port", "https://host:99999", "https://host/?a=b",
     "https://[::1"],
)  # fmt: skip
def test_what_is_no_url_of_a_server(url: str) -> None:
    with pytest.raises(UsageError, match="is no URL"):
        connect(url)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://Host", "https://host:443"),
        ("http://host/", "http://host:80"),
        ("http://[::1]:9200/path/", "http://[::1]:9200/path"),
    ],
)
def test_urls_are_brought_into_one_form(url: str, whole: str) -> None:
    assert split_url(url).geturl() == whole


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "localhost.example.org", "0.0.0.0", "[2001:db8::1]"])
def test_plain_http_to_other_machines_is_refused(host: str) -> None:
    with pytest.raises(AccessError, match=r"plain HTTP to another machine.*--insecure"):
        connect(f"http://{host}:9200")


def test_a_file_that_cannot_be_read() -> None:
    config_file().mkdir(parents=True)
    with pytest.raises(AccessError, match=r"cannot be read \(Is a directory\)"):
        Credentials.find(URL)
