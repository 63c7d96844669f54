from d2a_core.commands.edit import Made
from d2a_core.commands.editor import Edit


def test_a_user_is_told_what_was_asked_reached_turned_and_kept():
    edit = Edit(None, {"yaw": 22.5, "smile": 0.0}, {"yaw": 21.0, "smile": 0.12}, ("a note",))
    made = Made(edit, (0.91, 0.88), ((-22.5, -9.0), (-1.5, 0.5)), {"yaw": "°", "smile": "%"})
    assert [line.split() for line in made.lines()] == [
        ["control", "asked", "reached"],
        ["yaw", "22.5", "21.0", "°"],
        ["smile", "0.0", "0.1", "%"],
        "yaw -22.5° → -1.5°, pitch -9.0° → +0.5° at full size".split(),
        "likeness to the source: 0.880 (before: 0.910)".split(),
        ["a", "note"],
    ]
