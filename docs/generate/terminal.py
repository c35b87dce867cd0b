"""docs/pictures/killed-worker.svg: the recording of a terminal as a picture that moves.

Where nothing moves (in print, or where a reader wants no motion) it shows how it ended.
"""

import json
from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

_CAST: Final = Path(__file__).parents[1] / "pictures" / "killed-worker.cast"
_ROW, _GLYPH, _LEFT, _TOP, _PANE = 17, 7.25, 16, 58, 58
# What follows within this time is shown at once: a picture of a few hundred steps is enough.
_STEP_S: Final = 0.08
_REST_S: Final = 4.0

_STYLE: Final = """\
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6deeb;white-space:pre}
.title{fill:#8b98ad}.prompt{fill:#7fdbca}.kill{fill:#ff8a80}
@media (prefers-reduced-motion:reduce){*{animation:none!important}}"""


class Piece(NamedTuple):
    """One character of a row, and when it appears: seconds since the beginning."""

    at_s: float
    row: int
    text: str


class Recording(NamedTuple):
    """What was shown, wrapped as the terminal wraps it, and when the worker was killed with which command."""

    columns: int
    pieces: tuple[Piece, ...]
    killed_at_s: float
    kill: str

    @property
    def rows(self) -> int:
        return self.pieces[-1].row + 1

    @property
    def ends_at_s(self) -> float:
        return self.pieces[-1].at_s + _REST_S


def picture() -> str:
    """Returns the picture of the recording in the tree."""
    recording = read(_CAST.read_text(encoding="utf-8"))
    width = round(2 * _LEFT + recording.columns * _GLYPH)
    pane = _TOP + recording.rows * _ROW
    height = pane + _PANE
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
            "<title>A worker is killed with SIGKILL while an answer streams, and the stream goes on</title>",
            f"<style>{_STYLE}\n{_keyframes(recording)}</style>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#0b1220" stroke="#3a4a63"/>',
            f'<path d="M0 34H{width}M0 {pane - 6}H{width}" stroke="#3a4a63"/>',
            f'<text class="title" x="{_LEFT}" y="22">a reader</text>',
            *_seconds(recording, width - _LEFT),
            *_lines(recording),
            f'<text class="title" x="{_LEFT}" y="{pane + 16}">another terminal</text>',
            *_kill(recording, pane + 16 + _ROW),
            "</svg>\n",
        )
    )


def read(cast: str) -> Recording:
    """Returns an asciicast as pieces of text on rows."""
    head, *events = map(json.loads, cast.splitlines())
    killed_at_s, kill = next((at_s, text) for at_s, kind, text in events if kind == "m")
    shown = [(at_s, text) for at_s, kind, text in events if kind == "o"]
    return Recording(head["width"], tuple(_pieces(_gathered(shown), head["width"])), killed_at_s, kill)


def _gathered(shown: Sequence[tuple[float, str]]) -> Iterator[tuple[float, str]]:
    at_s, gathered = shown[0]
    for time_s, text in shown[1:]:
        if time_s - at_s < _STEP_S:
            gathered += text
        else:
            yield at_s, gathered
            at_s, gathered = time_s, text
    yield at_s, gathered


def _pieces(shown: Iterator[tuple[float, str]], columns: int) -> Iterator[Piece]:
    row = column = 0
    for at_s, text in shown:
        for line, part in enumerate(text.replace("\r", "").split("\n")):
            if line:
                row, column = row + 1, 0
            for sign in part:
                if column == columns:
                    row, column = row + 1, 0
                yield Piece(at_s, row, sign)
                column += 1


def _lines(recording: Recording) -> Iterator[str]:
    """Yields a text for each row, of spans that appear in their time."""
    for row in range(recording.rows):
        pieces = groupby((piece for piece in recording.pieces if piece.row == row), key=lambda piece: piece.at_s)
        spans = "".join(_span("".join(piece.text for piece in same), _name(at_s)) for at_s, same in pieces)
        kind = ' class="prompt"' if row == 0 else ""
        yield f'<text{kind} xml:space="preserve" x="{_LEFT}" y="{_TOP + row * _ROW}">{spans}</text>'


def _span(text: str, name: str) -> str:
    return f'<tspan class="{name}">{escape(text, quote=False)}</tspan>'


def _kill(recording: Recording, y: int) -> Iterator[str]:
    spans = _span(f"$ {recording.kill}   # the router that writes this answer", _name(recording.killed_at_s))
    yield f'<text class="kill" xml:space="preserve" x="{_LEFT}" y="{y}">{spans}</text>'


def _seconds(recording: Recording, x: int) -> Iterator[str]:
    """Yields the clock in the corner: a text for each second, of which one is seen."""
    last = int(recording.pieces[-1].at_s)
    for second in range(last + 1):
        kind = "second last" if second == last else "second"
        yield f'<text class="title {kind} s{second}" x="{x}" y="22" text-anchor="end">{second} s</text>'


def _keyframes(recording: Recording) -> str:
    """Returns the rules by which each piece is hidden until its time comes, and again when all begins anew."""
    whole = recording.ends_at_s
    rules = [f"tspan,.second{{animation:{whole:.2f}s infinite}}"]
    for at_s in sorted({recording.killed_at_s, *(piece.at_s for piece in recording.pieces)}):
        name = _name(at_s)
        if at_s:
            rules.append(
                f".{name}{{animation-name:{name}}}@keyframes {name}{{0%,{at_s / whole:.2%}{{visibility:hidden}}}}"
            )
    last = int(recording.pieces[-1].at_s)
    for second in range(last + 1):
        begin, end = second / whole, (second + 1) / whole
        shown = f"0%,{begin:.2%}{{visibility:hidden}}" if second else ""
        hidden = "" if second == last else f"{end:.2%},to{{visibility:hidden}}"
        still = "" if second == last else "visibility:hidden;"
        begins = f"{begin + 0.0001:.2%},{end - 0.0001:.2%}{{visibility:visible}}"
        rules.append(f".s{second}{{{still}animation-name:s{second}}}@keyframes s{second}{{{shown}{begins}{hidden}}}")
    return "\n".join(rules)


def _name(at_s: float) -> str:
    return f"t{round(at_s * 1000)}"
