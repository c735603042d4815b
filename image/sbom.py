# SPDX-License-Identifier: Apache-2.0
"""The bill of materials of an image, as SPDX 2.3 in JSON."""

import hashlib
import json
import re
import time
from collections.abc import Sequence
from urllib.parse import quote

from image.inventory import Component
from image.mirror import SUITE

NAMESPACE = "https://pilotlight.io/spdx"
NO_ASSERTION = "NOASSERTION"
# Names of licences that mean the same in Debian's files and in SPDX; others are told as they are, in words.
SAME_IN_SPDX = {
    "Apache-2.0", "Artistic-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "GPL-2.0-only",
    "GPL-2.0-or-later", "ISC", "LGPL-2.1-or-later", "MIT", "MPL-2.0", "OFL-1.1", "PSF-2.0", "Unlicense", "Zlib",
}  # fmt: skip


def identifier(*words: str) -> str:
    """An SPDX identifier made of words."""
    return "SPDXRef-" + "-".join(re.sub(r"[^A-Za-z0-9.-]", "-", word) for word in words)


def purl(component: Component) -> str:
    """The package address by which scanners look a component up."""
    version = quote(component.version, safe=".-~_")
    if component.source == "debian":
        return f"pkg:deb/debian/{quote(component.name)}@{version}?arch={component.arch}&distro={SUITE}"
    return f"pkg:generic/{quote(component.name)}@{version}"


def package(component: Component) -> dict[str, object]:
    """A component as SPDX tells it."""
    declared = NO_ASSERTION
    if component.licences and set(component.licences) <= SAME_IN_SPDX:
        declared = " AND ".join(component.licences)
    told: dict[str, object] = {
        "SPDXID": identifier(component.source, component.name, component.arch),
        "name": component.name,
        "versionInfo": component.version,
        "supplier": f"Organization: {component.source.capitalize()}",
        "downloadLocation": NO_ASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NO_ASSERTION,
        "licenseDeclared": declared,
        "copyrightText": NO_ASSERTION,
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(component)}
        ],
    }
    if component.homepage:
        told["homepage"] = component.homepage
    if component.licences and declared == NO_ASSERTION:
        told["licenseComments"] = "named in its copyright file: " + ", ".join(component.licences)
    if component.sha256:
        told["checksums"] = [{"algorithm": "SHA256", "checksumValue": component.sha256}]
    return told


def document(name: str, version: str, components: Sequence[Component], when: int) -> str:
    """The whole document: the image `name` contains the components. The same text for the same contents."""
    parts = [package(component) for component in sorted(components)]
    root = identifier("image", name)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
    image = {
        "SPDXID": root, "name": name, "versionInfo": version, "downloadLocation": NO_ASSERTION, "filesAnalyzed": False,
        "licenseConcluded": NO_ASSERTION, "licenseDeclared": NO_ASSERTION, "copyrightText": NO_ASSERTION,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
    }  # fmt: skip
    told = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        "documentNamespace": f"{NAMESPACE}/{name}-{version}-{digest}",
        "creationInfo": {
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when)),
            "creators": ["Tool: pilotlight-build-image"],
        },
        "packages": [image, *parts],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": root},
            *(
                {"spdxElementId": root, "relationshipType": "CONTAINS", "relatedSpdxElement": part["SPDXID"]}
                for part in parts
            ),
        ],
    }
    return json.dumps(told, indent=1) + "\n"
