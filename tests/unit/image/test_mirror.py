# SPDX-License-Identifier: Apache-2.0
"""The mirror of a build is the one of the host's apt."""

from pathlib import Path

import pytest

from image import mirror
from image.errors import BuildError
from image.mirror import Mirror, Source

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 xyz

Types: deb
URIs: http://other.example/debian-security/
Suites: bookworm-security
Components: main contrib

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: sid
Components: main
"""


def test_deb822_sources_without_disabled_ones() -> None:
    found = mirror.parse_deb822(DEB822)
    assert found == [
        Source("http://mirror.example/debian", ("bookworm", "bookworm-updates"), ("main",)),
        Source("http://other.example/debian-security/", ("bookworm-security",), ("main", "contrib")),
    ]


def test_one_line_sources_with_options_and_comments() -> None:
    text = "# deb http://no.example/debian x main\ndeb-src http://no.example/debian x main\n"
    text += "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ trixie main contrib # the one\n"
    assert mirror.parse_list(text) == [Source("http://mirror.example/debian/", ("trixie",), ("main", "contrib"))]


def test_the_security_archive_is_the_named_one_or_the_one_beside() -> None:
    archive = Source("http://mirror.example/debian/", ("trixie",), ("main",))
    security = Source("http://other.example/debian-security", ("trixie-security",), ("main",))
    assert mirror.choose([archive]) == Mirror("http://mirror.example/debian", "http://mirror.example/debian-security")
    assert mirror.choose([security, archive]) == Mirror("http://mirror.example/debian", security.uri)


@pytest.mark.parametrize(
    ("uri", "components"),
    [
        ("http://mirror.example/ubuntu", ("main",)),
        ("http://vendor.example/linux/debian", ("stable",)),
        ("http://vendor.example/apt", ("main",)),
    ],
)
def test_other_archives_are_not_taken_for_debian(uri: str, components: tuple[str, ...]) -> None:
    assert mirror.choose([Source(uri, ("x",), components)]) is None


def test_a_list_of_mirrors_is_one() -> None:
    chosen = mirror.choose([Source("mirror+file:///etc/apt/mirrors/debian.list", ("trixie",), ("main",))])
    assert chosen is not None
    assert chosen.archive == "mirror+file:///etc/apt/mirrors/debian.list"


def test_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://mirror.example/debian trixie main\n")
    assert mirror.find({}, tmp_path).archive == "http://mirror.example/debian"
    named = mirror.find({"PILOTLIGHT_MIRROR": "http://mine.example/debian/"}, tmp_path)
    assert named == Mirror("http://mine.example/debian", "http://mine.example/debian-security")


def test_without_any_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="PILOTLIGHT_MIRROR"):
        mirror.find({}, tmp_path)


def test_sources_name_every_suite() -> None:
    text = Mirror("http://a.example/debian", "http://b.example/debian-security").sources()
    assert [line.split()[3] for line in text.splitlines()] == [
        "trixie", "trixie-updates", "trixie-backports", "trixie-security",
    ]  # fmt: skip
    assert "http://b.example/debian-security trixie-security" in text
