# SPDX-License-Identifier: Apache-2.0
"""The requests of the protocol that are served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from pilotlight.plc.debugger.arguments import (
    Anything,
    Evaluate,
    Initialize,
    Launch,
    SetBreakpoints,
    SetVariable,
    StackTrace,
    Step,
    Variables,
)
from pilotlight.plc.debugger.asking import AskingError, shown, value_of
from pilotlight.plc.debugger.breakpoints import MOST, Breakpoint, lines_of, place
from pilotlight.plc.debugger.console import HELP, amount, changed, verb
from pilotlight.plc.debugger.moving import out, over, visible
from pilotlight.plc.debugger.protocol import Request
from pilotlight.plc.debugger.session import THREAD, RequestError, Session, Stopped
from pilotlight.plc.debugger.target import SCOPES, Target
from pilotlight.plc.loading import LoadError, load_program
from pilotlight.plc.runner.debugging import ScanStep

Body = dict[str, Any]
CAPABILITIES: Body = {
    "supportsConfigurationDoneRequest": True,
    "supportsConditionalBreakpoints": True,
    "supportsHitConditionalBreakpoints": True,
    "supportsLogPoints": True,
    "supportsEvaluateForHovers": True,
    "supportsSetVariable": True,
    "supportsStepBack": True,
    "supportsSteppingGranularity": True,
    "supportsTerminateRequest": True,
}


class Server(Session):
    """A session that answers."""

    _base = 1
    _invalidates = False
    _launch: Launch | None = None

    def handle(self, request: Request) -> None:
        """Answer a request; an error is an answer too."""
        answer: Body = {"request_seq": request.seq, "command": request.command[:100], "success": True}
        try:
            served = _SERVED.get(request.command)
            if served is None:
                raise RequestError(f"the request {request.command[:100]!r} is not supported")
            kind, serve = served
            body = serve(self, msgspec.convert(request.arguments, kind))
            if body is not None:
                answer["body"] = body
        except (RequestError, AskingError, LoadError, msgspec.ValidationError) as error:
            answer |= _refusal(str(error))
        except (KeyError, ValueError) as error:
            answer |= _refusal(str(error.args[0]) if error.args else type(error).__name__)
        except Exception as error:  # noqa: BLE001 — a fault of ours costs one answer, not the session
            answer |= _refusal(f"the debugger has a fault, {type(error).__name__}: {error}; nothing was done")
        self.channel.send("response", answer)
        if answer["success"] and request.command == "launch":
            self.channel.event("initialized")
        if answer["success"] and request.command == "terminate":
            self.channel.event("terminated")

    def initialize(self, arguments: Initialize) -> Body:
        """Say what is supported."""
        self._base = 1 if arguments.lines_start_at1 else 0
        self._invalidates = arguments.supports_invalidated_event
        return CAPABILITIES

    def launch(self, arguments: Launch) -> None:
        """Load the program; it waits for configurationDone."""
        if self.target is not None:
            raise RequestError("the program is launched already")
        dt = arguments.dt
        if (dt is not None and not 1e-6 <= dt <= 3600) or not 0 <= arguments.speed <= 1e6:
            raise RequestError("dt is 0.000001 to 3600 seconds, speed 0 (as fast as possible) to 1000000")
        loaded = load_program(Path(arguments.program).expanduser(), arguments.variable)
        self.target = Target(loaded.program, loaded.period_ns / 1e9 if dt is None else dt)
        self._launch, self.speed = arguments, arguments.speed

    def configuration_done(self, _arguments: Anything) -> None:
        """Start."""
        self.need_standing()
        if self._launch is not None and self._launch.stop_on_entry:
            self.move(lambda: Stopped("entry"))
        else:
            self.move(lambda: self.run(None, paced=True))

    def set_breakpoints(self, arguments: SetBreakpoints) -> Body:
        """Set those of a file."""
        if len(arguments.breakpoints) > MOST:
            raise RequestError(f"at most {MOST} breakpoints in a file")
        if self.target is None:
            raise RequestError("no program: send launch first")
        wanted = arguments.breakpoints
        made = self.breakpoints.replace(
            arguments.source.path, [(each.line + 1 - self._base, each.log_message) for each in wanted]
        )
        lines = lines_of(self.target.plc.logic.ir)
        for each, asked in zip(made, wanted, strict=True):
            place(each, lines, self.target.ask, asked.condition, asked.hit_condition)
        return {"breakpoints": [self._shown(each) for each in made]}

    def _shown(self, made: Breakpoint) -> Body:
        line = made.asked_line if made.line is None else made.line
        why = {"message": made.problem, "reason": "failed"} if made.line is None else {}
        return {"id": made.number, "verified": made.line is not None, "line": line - 1 + self._base, **why}

    def no_exceptions(self, _arguments: Anything) -> Body:
        """There are no exceptions to stop at: what a program computes sets fault flags."""
        return {"breakpoints": []}

    def threads(self, _arguments: Anything) -> Body:
        """The scan is the one thread."""
        return {"threads": [{"id": THREAD, "name": "scan"}]}

    def stack_trace(self, arguments: StackTrace) -> Body:
        """Where the program stands."""
        frames = self.need_standing().frames()
        for frame in frames:
            if "source" in frame:
                frame["line"] += self._base - 1
        first = max(0, arguments.start_frame)
        last = first + arguments.levels if arguments.levels > 0 else len(frames)
        return {"stackFrames": frames[first:last], "totalFrames": len(frames)}

    def scopes(self, _arguments: Anything) -> Body:
        """Groups of variables; the same in every frame."""
        return {"scopes": self.need_standing().scopes()}

    def variables(self, arguments: Variables) -> Body:
        """The variables of a group."""
        target = self.need()
        if arguments.variables_reference not in SCOPES.values():
            raise RequestError(f"there is no group of variables {arguments.variables_reference}")
        found = target.variables(arguments.variables_reference)
        first = max(0, arguments.start)
        last = first + arguments.count if arguments.count > 0 else len(found)
        return {"variables": found[first:last]}

    def set_variable(self, arguments: SetVariable) -> Body:
        """Patch or force a tag."""
        target, reference = self.need(), arguments.variables_reference
        if reference not in (SCOPES["Tags"], SCOPES["Forces"], SCOPES["System"]):
            raise RequestError("the memory of instructions is theirs: set tags")
        force = reference == SCOPES["Forces"] or (self._launch is not None and self._launch.set_variable == "force")
        question = target.ask(arguments.name)
        if question.tag is None:
            raise RequestError(f"{arguments.name!r} is no tag")
        target.change({question.tag.name: value_of(question.tag.type, arguments.value)}, force=force)
        self._changed()
        return {"value": shown(target.value(question)), "type": question.tag.type.name, "variablesReference": 0}

    def _changed(self) -> None:
        if self._invalidates and not self.moving:
            self.channel.event("invalidated", areas=["variables", "stacks"])

    def evaluate(self, arguments: Evaluate) -> Body:
        """Ask for a value, or carry out a word of the console."""
        target, text = self.need(), arguments.expression
        word = verb(text) if arguments.context == "repl" else ""
        if word:
            return {"result": self._carry_out(target, word, text), "variablesReference": 0}
        question = target.ask(text)
        kind = {} if question.tag is None else {"type": question.tag.type.name}
        return {"result": shown(target.value(question)), "variablesReference": 0, **kind}

    def _carry_out(self, target: Target, word: str, text: str) -> str:
        if word == "help":
            return HELP
        if word == "why":
            tag = target.ask(text.partition("why")[2]).tag
            if tag is None:
                raise RequestError("type why and a tag")
            return target.plc.why(tag, scan_id=target.stepper.scan_id - 1).text
        if word in ("step", "run"):
            self.need_standing()
            scans, length = amount(text)
            until = target.stepper.time_ns + length if length else 0
            self.move(lambda: self.run(None, scans=scans, until_ns=until))
            self.channel.event("continued", threadId=THREAD, allThreadsContinued=True)
            return f"{text.strip()}: on its way"
        said = changed(target, text)
        self._changed()
        return said

    def go_on(self, _arguments: Anything) -> Body:
        """Run."""
        self.need_standing()
        self.move(lambda: self.run(None, paced=True))
        return {"allThreadsContinued": True}

    def hold(self, _arguments: Anything) -> None:
        """Stand."""
        self.pause()

    def step_over(self, arguments: Step) -> None:
        """To the next rung, or instruction."""
        start = self._start(arguments)
        self.move(lambda: self.run(over(start)))

    def step_in(self, _arguments: Step) -> None:
        """To the next instruction, into subroutines too."""
        self.need_standing()
        self.move(lambda: self.run(visible))

    def step_out(self, _arguments: Step) -> None:
        """Out of the rung, the subroutine, the scan."""
        start = self.need_standing().stepper.current
        self.move(lambda: self.run(out(start)))

    def step_back(self, arguments: Step) -> None:
        """To the last rung, or instruction, before."""
        start = self._start(arguments)
        self.move(lambda: self.run_back(over(start)))

    def _start(self, arguments: Step) -> ScanStep | None:
        current = self.need_standing().stepper.current
        if current is None or arguments.granularity != "instruction" or current.kind != "rung":
            return current
        return replace(current, kind="instruction")

    def go_back(self, _arguments: Anything) -> None:
        """Run backwards."""
        self.need_standing()
        self.move(self.run_back_to_breakpoint)

    def terminate(self, _arguments: Anything) -> None:
        """End the program; the session goes on until disconnect."""
        self.halt()

    def disconnect(self, _arguments: Anything) -> None:
        """End the session."""
        self.halt()
        self.ended = True


def _refusal(text: str) -> Body:
    error = {"id": 1, "format": "{text}", "variables": {"text": text}, "showUser": True}
    return {"success": False, "message": text, "body": {"error": error}}


_SERVED: dict[str, tuple[type[Any], Callable[[Server, Any], Body | None]]] = {
    "initialize": (Initialize, Server.initialize),
    "launch": (Launch, Server.launch),
    "configurationDone": (Anything, Server.configuration_done),
    "setBreakpoints": (SetBreakpoints, Server.set_breakpoints),
    "setExceptionBreakpoints": (Anything, Server.no_exceptions),
    "threads": (Anything, Server.threads),
    "stackTrace": (StackTrace, Server.stack_trace),
    "scopes": (Anything, Server.scopes),
    "variables": (Variables, Server.variables),
    "setVariable": (SetVariable, Server.set_variable),
    "evaluate": (Evaluate, Server.evaluate),
    "continue": (Anything, Server.go_on),
    "pause": (Anything, Server.hold),
    "next": (Step, Server.step_over),
    "stepIn": (Step, Server.step_in),
    "stepOut": (Step, Server.step_out),
    "stepBack": (Step, Server.step_back),
    "reverseContinue": (Anything, Server.go_back),
    "terminate": (Anything, Server.terminate),
    "disconnect": (Anything, Server.disconnect),
}
