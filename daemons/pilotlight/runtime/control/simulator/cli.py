# SPDX-License-Identifier: Apache-2.0
"""`rt-rocket-sim`: a simulated rocket for the control loop, over TCP, or alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import replace

from pilotlight.daemon import SettingsError
from pilotlight.tags import CommandRing

from ..loading import ControlSettingsError, load
from ..recording import FlightRecorder
from ..samples import Reason
from ..settings import ControlSettings
from ..simframes import ActuatorFrame, SensorFrame
from ..steps import LARGEST
from ..tools.stopping import Stop
from .flight import NEUTRAL, Flight
from .inside import InsideLoop
from .link import Endpoints, Link
from .plot import svg
from .running import NoAnswer, fly, fly_live, over_link, wait_for_loop
from .scenario import Scenario, load_scenario
from .trace import Trace

_RING_STEPS = 64
"""More than the steps of one frame, which are written before the next."""
_EXAMPLES = """\
examples:
  rt-rocket-sim                                   for a loop with [sim_net] enabled = true, on this machine
  rt-rocket-sim --scenario windy.yaml --plot flight.svg
  rt-rocket-sim --lock-step                       for a loop that takes its time from the frames
  rt-rocket-sim --alone --seed 7 --csv flight.csv without a loop: the servos stay in the middle
  rt-rocket-sim --config control.toml             with that configuration's loop, here, as fast as it computes
  rt-rocket-sim --config control.toml --record flight.rec    and its steps recorded, to be replayed

The loop connects to the sensor port; the simulator connects to the loop's servo port. The flight begins when the loop
is there. A scenario is a YAML file; docs/control.md lists its keys.

exit code: 0 flown to the end, 1 the scenario is wrong, a port is taken, or the loop is not there, 2 usage
"""


def parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog=program,
        description="Fly a rocket in six degrees of freedom: sensor frames to the control loop, servo commands back.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--scenario", type=Path, metavar="FILE", help="what is flown (default: a calm flight)")
    top.add_argument("--seed", type=int, help="in place of the scenario's")
    top.add_argument("--duration-sec", type=float, help="in place of the scenario's")
    top.add_argument("--sensor-host", default="127.0.0.1", help="where the loop connects to (127.0.0.1)")
    top.add_argument("--sensor-port", type=_port, default=56000, help="(56000)")
    top.add_argument("--actuator-host", default="127.0.0.1", help="where the loop listens (127.0.0.1)")
    top.add_argument("--actuator-port", type=_port, default=56001, help="(56001)")
    top.add_argument("--connect-timeout-sec", type=float, default=60.0, help="wait so long for the loop (60)")
    top.add_argument("--headless", action="store_true", help="without a window; it never has one")
    mode = top.add_mutually_exclusive_group()
    mode.add_argument("--lock-step", action="store_true", help="each frame is answered before time goes on")
    mode.add_argument("--alone", action="store_true", help="without a loop")
    mode.add_argument(
        "--config", type=Path, metavar="TOML", help="with the loop of this configuration, in this process"
    )
    top.add_argument(
        "--record", type=Path, metavar="REC", help="with --config: record every step, for `pilotlight control replay`"
    )
    top.add_argument("--plot", type=Path, metavar="SVG", help="draw the flight into a file")
    top.add_argument("--csv", type=Path, metavar="CSV", help="write the flight into a file")
    return top


def _port(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError("give a port from 0 to 65535")
    return number


def main(argv: Sequence[str] | None = None, program: str = "rt-rocket-sim") -> int:
    """Run the tool; returns its exit code."""
    top = parser(program)
    options = top.parse_args(argv)
    if options.record is not None and options.config is None:
        top.error("--record records the loop in this process: give its configuration with --config")
    try:
        flight = Flight(_scenario(options))
        trace = Trace()
        problem = _fly(options, flight, trace)
        _tell(flight)
        _save(options, flight, trace)
    except (SettingsError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    if problem:
        print(f"{program}: {problem}", file=sys.stderr)
    return 1 if problem else 0


def _scenario(options: argparse.Namespace) -> Scenario:
    scenario = Scenario() if options.scenario is None else load_scenario(options.scenario)
    if options.seed is not None:
        scenario = replace(scenario, seed=abs(options.seed))
    if options.duration_sec is not None:
        if not 0 < options.duration_sec <= 3600:
            raise SettingsError("--duration-sec must be greater than 0 and at most 3600")
        scenario = replace(scenario, duration_s=options.duration_sec)
    return scenario


def _fly(options: argparse.Namespace, flight: Flight, trace: Trace) -> str:
    """Fly; gives what ended the flight early, if anything did."""
    if options.alone:
        fly(flight, _nobody, trace.watch)
        return ""
    if options.config is not None:
        return _fly_inside(options.config, options.record, flight, trace)
    ends = Endpoints(options.sensor_host, options.sensor_port, options.actuator_host, options.actuator_port)
    link = Link(ends)
    print(f"waiting for the loop on port {link.sensor_port}", flush=True)
    try:
        with Stop() as stop:
            wait_for_loop(link, options.connect_timeout_sec, both=options.lock_step)
            if options.lock_step:
                fly(flight, over_link(link, timeout_s=5.0), trace.watch)
            else:
                slips = fly_live(flight, link, trace.watch, stop)
                print(f"periods left out: {slips}")
    except NoAnswer as error:
        return str(error)
    finally:
        link.close()
        print(" ".join(f"{name}={value}" for name, value in vars(link.counters).items()))
    return ""


def _fly_inside(config: Path, record: Path | None, flight: Flight, trace: Trace) -> str:
    try:
        settings, _ = load(config)
    except ControlSettingsError as error:
        return str(error)
    if record is None:
        inside = InsideLoop(settings)
        fly(flight, inside, trace.watch)
    else:
        inside = _fly_recorded(config.read_text(), settings, record, flight, trace)
    steps = sum(inside.reasons.values())
    for reason, count in inside.reasons.items():
        if reason is not Reason.NONE and count:
            print(f"servos in failsafe for {reason.name.lower()}: {count} of {steps} steps")
    return ""


def _fly_recorded(config: str, settings: ControlSettings, record: Path, flight: Flight, trace: Trace) -> InsideLoop:
    ring = CommandRing.create(_RING_STEPS, LARGEST)
    try:
        inside = InsideLoop(settings, ring)
        recorder = FlightRecorder(record, config, ring)
        try:

            def exchange(frame: SensorFrame) -> ActuatorFrame:
                answer = inside(frame)
                recorder.drain()
                return answer

            fly(flight, exchange, trace.watch)
        finally:
            recorder.close()
    finally:
        ring.close()
    print(f"{recorder.steps} steps are recorded in {record}")
    return inside


def _nobody(frame: SensorFrame) -> ActuatorFrame:
    return ActuatorFrame(frame.seq, frame.t_ns, False, NEUTRAL)


def _tell(flight: Flight) -> None:
    for event in flight.events:
        print(f"{event.time_s:8.2f} s  {event.name}")
    print(f"highest {flight.highest_m:.0f} m, fastest {flight.fastest_mps:.0f} m/s, {flight.phase.value} at the end")


def _save(options: argparse.Namespace, flight: Flight, trace: Trace) -> None:
    if options.csv is not None:
        trace.save(options.csv)
    if options.plot is not None and trace.points:
        name = options.scenario.stem if options.scenario else "a calm flight"
        options.plot.write_text(svg(f"Simulated flight: {name}", trace.points, flight.events))
