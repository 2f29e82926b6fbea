"""Files that are not cassettes: each gets one sentence, with the file and, if possible, the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.inner import run

from okx_rfq_plugin.testing import CassetteError, reading

pytest_plugins = ["pytester"]

ROW = """\
version: 1
interactions:
- request:
    method: POST
    uri: http://sandbox.invalid/api/v5/rfq/cancel-all-rfqs
    body: null
    headers: {}
  response:
    status: {code: 200, message: OK}
    headers: {Content-Type: [application/json]}
    body: {string: '{}'}
"""


def but(old: str, new: str) -> str:
    assert old in ROW
    return ROW.replace(old, new)


# The file's content, the line named, and the message.
MALFORMED: dict[str, tuple[str | bytes, int, str]] = {
    "empty": ("", 1, "it is empty"),
    "blank": ("\n \n", 1, "it is empty"),
    "comment": ("# nothing\n", 1, "it is empty"),
    "text": ("hello", 1, "a cassette is a mapping with `interactions`, not a text"),
    "list": ("- a\n", 1, "a cassette is a mapping with `interactions`, not a list"),
    "null": ("null\n", 1, "a cassette is a mapping with `interactions`, not nothing"),
    "no yaml": ("version: 1\ninteractions: [\n", 3, "it is no YAML"),
    "tab": ("version: 1\n\tinteractions: []\n", 2, "it is no YAML"),
    "two documents": (ROW + "---\n" + ROW, 12, "it is no YAML"),
    "python tag": ("version: 1\ninteractions: !!python/object:os.system x\n", 2, "cannot be read"),
    "utf-16": (ROW.encode("utf-16"), 1, "it is not in UTF-8"),
    "latin-1": (but("OK", "\xdf").encode("latin-1"), 9, "it is not in UTF-8 (byte 0xdf)"),
    "binary": (b"\x89PNG\r\n\x1a\n\0\0\0", 1, "it is not in UTF-8"),
    "future version": (but("version: 1", "version: 2"), 1, "version 2 is not known: it is 1"),
    "text as version": (but("version: 1", "version: one"), 1, "version 'one' is not known"),
    "true as version": (but("version: 1", "version: true"), 1, "version True is not known"),
    "no interactions": ("version: 1\n", 1, "there are no `interactions`"),
    "interactions no list": ("version: 1\ninteractions: {a: 1}\n", 2, "`interactions` is a list, not a mapping"),
    "interaction no mapping": ("version: 1\ninteractions:\n- 7\n", 3, "an interaction is a mapping"),
    "no request": (
        "interactions:\n- response: {}\n",
        2,
        "an interaction has a mapping `request`, which is missing here",
    ),
    "request no mapping": ("interactions:\n- request: 1\n  response: {}\n", 2, "a mapping `request`, not 1"),
    "no response": (ROW.partition("  response")[0], 3, "a mapping `response`, which is missing here"),
    "no method": (but("    method: POST\n", ""), 3, "a request has a `method`, a text, which is missing here"),
    "method no text": (but("POST", "[POST]"), 4, "a request has a `method`, a text, not ['POST']"),
    "no uri": (but("    uri: http://sandbox.invalid/api/v5/rfq/cancel-all-rfqs\n", ""), 3, "a request has a `uri`"),
    "uri no address": (but("http://sandbox.invalid/api/v5/rfq/cancel-all-rfqs", "nowhere"), 5, "is no address"),
    "uri broken": (but("http://sandbox.invalid/", "http://[::1/"), 5, "is no address"),
    "request body a number": (but("body: null", "body: 12"), 6, "a request's `body` is a text or null, not 12"),
    "no status": (but("    status: {code: 200, message: OK}\n", ""), 8, "a response has a mapping `status`"),
    "status a number": (but("{code: 200, message: OK}", "200"), 9, "a response has a mapping `status`"),
    "no code": (but("{code: 200, message: OK}", "{message: OK}"), 9, "`code` is an HTTP status, not None"),
    "code a text": (but("code: 200", "code: ok"), 9, "`code` is an HTTP status, not 'ok'"),
    "code too high": (but("code: 200", "code: 1200"), 9, "`code` is an HTTP status, not 1200"),
    "code true": (but("code: 200", "code: yes"), 9, "`code` is an HTTP status, not True"),
    "message a list": (but("message: OK", "message: [OK]"), 9, "`message` is a text, not a list"),
    "headers a list": (but("{Content-Type: [application/json]}", "[a]"), 10, "`headers` is a mapping, not a list"),
    "header a number": (but("[application/json]", "[7]"), 10, "the header Content-Type is a text or a list of texts"),
    "body a number": (but("{string: '{}'}", "{string: 7}"), 11, "a response's body is a text, not 7"),
    "body a list": (but("{string: '{}'}", "[a]"), 11, "a response's body is a text, not a list"),
    "unknown failure": (ROW.partition("    status")[0] + "    failure: fire\n", 9, "`failure` is one of 'timeout'"),
    "failure a list": (ROW.partition("    status")[0] + "    failure: [timeout]\n", 9, "`failure` is one of"),
    "head a list": ("head: [1]\n" + ROW, 1, "`head` is a mapping, not a list"),
    "recorded no date": ("head: {recorded: yesterday}\n" + ROW, 1, "`recorded` is a date, not 'yesterday'"),
    "recorded a number": ("head:\n  recorded: 7\n" + ROW, 2, "`recorded` is a date, not 7"),
    "twice": (ROW + "version: 1\n", 12, "`version` is there twice"),
    "key no text": ("1: 2\n" + ROW, 1, "a key is a text, not 1"),
    "contains itself": ("interactions: &a [*a]\n", 1, "it contains itself"),
    "unknown anchor": ("interactions: *a\n", 1, "it is no YAML"),
    "character that YAML does not allow": (ROW + "# \0\n", 12, "it is no YAML"),
    "timestamp that is none": (but("body: null", "body: !!timestamp x"), 6, "'x' cannot be read"),
    "request headers a number": (but("headers: {}", "headers: 7"), 7, "`headers` is a mapping, not 7"),
    "request body without string": (but("body: null", "body: {base64: x}"), 6, "has its text under `string`"),
    "body without string": (but("{string: '{}'}", "{base64: x}"), 11, "has its text under `string`"),
    "impossible date": ("head: {recorded: 2026-13-40}\n" + ROW, 1, "'2026-13-40' cannot be read"),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_file_is_one_sentence_with_file_and_line(kind: str, tmp_path: Path) -> None:
    """Whatever is wrong with it, the error has the file, the line, and the reason."""
    content, line, words = MALFORMED[kind]
    path = tmp_path / "mine.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(CassetteError) as caught:
        reading.read(path)

    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("depth", [400, 900, 5000])
def test_a_file_that_is_nested_too_deeply_is_said(tmp_path: Path, depth: int) -> None:
    """Whether the parser or Python gives up first."""
    path = tmp_path / "mine.yaml"
    path.write_text("interactions: " + "[" * depth + "]" * depth)

    with pytest.raises(CassetteError, match=r"nest|an interaction is a mapping") as caught:
        reading.read(path)

    assert str(caught.value).startswith(str(path))


def test_a_folder_and_a_file_that_is_not_there_are_said(tmp_path: Path) -> None:
    """They are distinguished."""
    with pytest.raises(CassetteError, match="it is a folder, and no cassette"):
        reading.read(tmp_path)
    with pytest.raises(CassetteError, match="it cannot be read: No such file"):
        reading.read(tmp_path / "none.yaml")


GOOD = {
    "as it is": ROW,
    "BOM": "\ufeff" + ROW,
    "CRLF": ROW.replace("\n", "\r\n"),
    "no version": but("version: 1\n", ""),
    "no headers": but("    headers: {Content-Type: [application/json]}\n", ""),
    "header a text": but("[application/json]", "application/json"),
    "body a text": but("{string: '{}'}", "'{}'"),
    "body binary": but("'{}'", "!!binary e30="),
    "request body as vcrpy has it": but("body: null", "body: {string: !!binary e30=}"),
    "no message": but(", message: OK", ""),
    "no head": "head: null\n" + ROW,
    "a date": "head: {recorded: 2026-01-02}\n" + ROW,
    "a moment": "head: {recorded: 2026-01-02 03:04:05}\n" + ROW,
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_other_tools_and_editors_write_is_read(kind: str, tmp_path: Path) -> None:
    """Windows line ends, a byte order mark, and what vcrpy's own serializer does differently change nothing."""
    path = tmp_path / "mine.yaml"
    path.write_bytes(GOOD[kind].encode())

    (row,) = reading.read(path).interactions

    assert ("POST", "/api/v5/rfq/cancel-all-rfqs", "HTTP 200") == (row.request.method, row.request.path, row.outcome)
    assert b"{}" == row.answer.body  # it is no failure


def test_a_malformed_cassette_fails_the_test_with_one_sentence(pytester: pytest.Pytester) -> None:
    """Under pytest too: file, line and reason, and no traceback."""
    pytester.mkdir("cassettes").joinpath("bad.yaml").write_text(but("code: 200", "code: ok"))

    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.okx_rfq_cassette("bad")
        def test_it(okx_rfq_exchange):
            pass
        """,
        errors=1,
    )

    result.stdout.fnmatch_lines(["*bad.yaml:9: `code` is an HTTP status, not 'ok'"])
    result.stdout.no_fnmatch_line("*Error*")
