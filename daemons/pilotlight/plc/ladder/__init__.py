# SPDX-License-Identifier: Apache-2.0
"""Programs of the IR drawn as ladders: text for terminals and tests, SVG for documents and browsers.

    print(ladder_text(logic.ir))
    Path("motor.svg").write_text(ladder_svg(logic.ir, title="Motor"))

With a `Flow`, closed contacts and wires with power stand out and operands show their values.
"""

from pilotlight.plc.ladder.flow import Flow, RungFlow, flow_of_image, flow_of_scan
from pilotlight.plc.ladder.svg import ladder_svg
from pilotlight.plc.ladder.text import ladder_text

__all__ = ["Flow", "RungFlow", "flow_of_image", "flow_of_scan", "ladder_svg", "ladder_text"]
