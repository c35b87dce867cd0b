"""The picture of the recording shows what was recorded, when it was."""

import json
import re
from xml.etree import ElementTree as ET

from docs.generate.recording import CAST
from docs.generate.terminal import picture, read

HEAD = {"version": 2, "width": 10}
SVG = "{http://www.w3.org/2000/svg}"


def cast(*events: tuple[float, str, str]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in (HEAD, *events))


def rows(text: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for piece in read(text).pieces:
        found[piece.row] = found.get(piece.row, "") + piece.text
    return found


def test_text_wraps_where_the_terminal_ends():
    shown = cast((0, "o", "$ ask\r\n"), (1, "o", "0123456789abc"), (2, "m", "kill -KILL 7"), (3, "o", "\r\n\r\nend"))
    assert rows(shown) == {0: "$ ask", 1: "0123456789", 2: "abc", 4: "end"}


def test_the_kill_is_where_it_was():
    recording = read(cast((0, "o", "a"), (2.5, "m", "kill -KILL 7"), (9, "o", "b")))
    assert (recording.killed_at_s, recording.kill) == (2.5, "kill -KILL 7")


def test_the_picture_holds_all_that_the_terminal_showed():
    recorded = [json.loads(line) for line in CAST.read_text(encoding="utf-8").splitlines()[1:]]
    shown = "".join(text for _, kind, text in recorded if kind == "o")
    texts = ["".join(text.itertext()) for text in ET.fromstring(picture()).iter(f"{SVG}text")]  # noqa: S314
    assert "".join(shown.split()) in "".join("".join(texts).split())


def test_the_recording_holds_a_lost_attempt_and_the_one_that_went_on():
    recorded = [json.loads(line) for line in CAST.read_text(encoding="utf-8").splitlines()[1:]]
    kill = next(index for index, event in enumerate(recorded) if event[1] == "m")
    shown = "".join(text for _, kind, text in recorded if kind == "o")
    assert 0 < kill < len(recorded) - 10
    assert re.search(r"^attempt 1 +local · router", shown, re.MULTILINE)
    assert re.search(r"^attempt 2 +local .*SUCCEEDED · router", shown, re.MULTILINE)


def test_every_piece_is_hidden_until_its_time_and_shown_where_nothing_moves():
    svg = picture()
    names = set(re.findall(r'<tspan class="(t\d+)">', svg)) - {"t0"}
    assert names
    assert all(f"@keyframes {name}{{0%," in svg for name in names)
    assert "prefers-reduced-motion" in svg
