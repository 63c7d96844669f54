import wave
from pathlib import Path

import numpy as np
import pytest
import stylegan2_checkpoints
from click.testing import CliRunner
from odd_clips import mux, numbered, packets
from PIL import Image

import d2a_core
from d2a_core.commands import edit, edit_video
from d2a_core.commands.cli import main
from d2a_core.store import assets, tables
from d2a_core.workflow import inspection


@pytest.fixture
def run():
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def test_version_and_help_are_complete(run):
    assert d2a_core.__version__ in run("--version").output
    assert {"inspect", "fetch", "convert"} <= set(run("-h").output.split())


def test_inspect_prints_the_summary(run, tmp_path):
    tables.write_parquet({"a": [1, 2]}, tmp_path / "t.parquet", metadata={})
    ended = run("inspect", tmp_path / "t.parquet")
    assert ended.exit_code == 0 and "table of 2 rows" in ended.output


def test_user_error_is_one_line_with_code_1(run, tmp_path):
    ended = run("inspect", tmp_path / "none.pt")
    assert ended.exit_code == 1 and ended.stdout == ""
    assert ended.stderr.startswith("Error: ") and ended.stderr.count("\n") == 1


def test_os_error_is_one_line_and_a_defect_is_not_hidden(run, tmp_path, monkeypatch):
    def fail(error):
        def describe(path):
            raise error

        monkeypatch.setattr(inspection, "describe", describe)

    fail(PermissionError(13, "Permission denied", "x"))
    ended = run("inspect", "x")
    assert (ended.exit_code, ended.stderr) == (1, "Error: [Errno 13] Permission denied: 'x'\n")
    fail(KeyError("defect"))
    assert isinstance(run("inspect", "x").exception, KeyError)


def test_interrupt_ends_with_130(run, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(inspection, "describe", interrupt)
    ended = run("inspect", "x")
    assert (ended.exit_code, ended.stderr) == (130, "Interrupted\n")


@pytest.mark.parametrize("names", [[], ["dlib-face"]])
def test_fetch_puts_each_asset_into_a_folder_of_its_name(run, monkeypatch, tmp_path, names):
    fetched = []
    monkeypatch.setattr(assets, "fetch", lambda asset, folder, log: fetched.append((asset.name, folder)))
    assert run("fetch", *names, "--folder", tmp_path).exit_code == 0
    assert fetched == [(name, tmp_path / name) for name in names or assets.ASSETS]


def test_fetch_of_an_unknown_asset_lists_the_known(run, tmp_path):
    ended = run("fetch", "none", "--folder", tmp_path)
    assert ended.exit_code == 1
    assert "choose from mobilestylegan-ffhq, mediapipe-face, dlib-face" in ended.stderr


def test_convert_says_what_it_has_written(run, tmp_path):
    (tmp_path / "in.pkl").write_bytes(stylegan2_checkpoints.nvidia(stylegan2_checkpoints.network()))
    ended = run("convert", tmp_path / "in.pkl", tmp_path / "out.safetensors")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == f"{tmp_path / 'out.safetensors'}: StyleGAN2 skip, 32 px, 8 layers of W+\n"
    assert (tmp_path / "out.safetensors").is_file()


def test_convert_of_another_file_is_one_line_and_writes_nothing(run, tmp_path):
    (tmp_path / "in.pkl").write_bytes(b"\xff\xd8\xff a photo")
    ended = run("convert", tmp_path / "in.pkl", tmp_path / "out.safetensors")
    assert ended.exit_code == 1 and ended.stdout == ""
    assert "is no pickle or PyTorch file" in ended.stderr and ended.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.pkl"]


def test_convert_says_what_it_leaves_in_the_file(run, tmp_path):
    network = stylegan2_checkpoints.network(z_dim=9)
    decoder = stylegan2_checkpoints.under("decoder.", stylegan2_checkpoints.rosinality_state(network))
    content = {
        "state_dict": decoder | {"encoder.bias": network.mapping.w_avg},
        "latent_avg": network.mapping.w_avg,
    }
    (tmp_path / "psp.pt").write_bytes(stylegan2_checkpoints.saved(content))
    ended = run("convert", tmp_path / "psp.pt", tmp_path / "out.safetensors")
    assert ended.exit_code == 0 and ended.stdout.endswith("8 layers of W+\n")
    assert ended.stderr == (
        f"{tmp_path / 'psp.pt'}: its generator is state_dict.decoder; what lies beside it is left: encoder\n"
    )


def test_a_file_whose_name_looks_like_an_option_is_told_how_to_write_it(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-me.jpg").touch()
    ended = run("edit", "-me.jpg", "--smile", "1")
    assert ended.exit_code == 2
    assert ended.stderr == "Error: No such option '-m'; the file of this name is ./-me.jpg\n"
    assert run("edit", "-you.jpg", "--smile", "1").stderr == "Error: No such option '-y'\n"


def test_a_folder_that_is_gone_is_one_sentence(run, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = run("animate", "--source", "seed:1", "--driving", "x.mp4")
    assert ended.exit_code == 2 and ended.stderr.count("\n") == 1
    assert "the current folder has been deleted; go to another" in ended.stderr


def test_a_link_that_leads_to_itself_is_one_sentence(run, tmp_path):
    (tmp_path / "circle").symlink_to("circle")
    ended = run("animate", "--source", "seed:1", "--driving", "x.mp4", "--work", tmp_path / "circle")
    assert ended.exit_code == 2 and ended.stderr.count("\n") == 1
    assert "circle' is a link that leads to itself; give another" in ended.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["edit", "seed:1"], "nothing to edit; name a control, such as --smile 1"),
        (["edit", "seed:1", "--smile", "nan"], "--smile is nan; give a finite number"),
        (["edit", "seed:1", "--smile", "1", "--output", "a.jpg"], "--output a.jpg must end in .png"),
        (["edit", "none.jpg", "--smile", "1"], "none.jpg does not exist; give a photo, or seed:N"),
        (["frontalize", "seed:1", "--face", "2"], "--face is for photos"),
        (["frontalize", "seed:1", "--before-after", "b.mp4"], "--before-after b.mp4 must end in .png"),
    ],
)
def test_a_picture_that_cannot_be_made_is_one_sentence(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words)
    assert done.exit_code in (1, 2) and sentence in done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["clip.ts", "clip.gif", "clip.webp", "clip.jpg", "clip", "frames"])
def test_what_is_edited_as_a_video_its_content_decides(run, tmp_path, monkeypatch, name):
    pictures = [Image.fromarray(numbered(number)) for number in range(3)]
    path = tmp_path / name
    if name == "frames":
        path.mkdir()
        for number, picture in enumerate(pictures):
            picture.save(path / f"{number}.png")
    elif name.endswith(("gif", "webp")):
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
    else:
        mux(tmp_path / "made.ts", packets(5)).rename(path)
    asked = []
    monkeypatch.setattr(edit_video, "make", lambda *made: asked.append(made) or [])
    ended = run("edit", path, "--smile", 1)
    assert ended.exit_code == 0, ended.output
    ((wanted, _, output),) = asked
    assert wanted.driving == path and output.suffix == ".mp4"


def test_a_still_picture_is_edited_as_one_whatever_it_is_called(run, tmp_path, monkeypatch):
    Image.fromarray(numbered(1)).save(tmp_path / "me.mp4", format="PNG")
    asked = []
    monkeypatch.setattr(edit_video, "make", None)
    monkeypatch.setattr(edit, "make", lambda wanted, how: asked.append(how.output.suffix))
    monkeypatch.setattr(edit, "shown", lambda made, paths: [])
    assert run("edit", tmp_path / "me.mp4", "--smile", 1).exit_code == 0
    assert asked == [".png"]


@pytest.mark.parametrize(
    ("command", "kind"),
    [(["frontalize"], "video"), (["frontalize"], "sound"), (["edit", "--smile", "1"], "sound")],
)
def test_what_a_photo_is_not_is_named(run, tmp_path, command, kind):
    if kind == "video":
        mux(tmp_path / "made.ts", packets(5)).rename(tmp_path / "me.jpg")
    else:
        samples = np.zeros(8000, np.int16).tobytes()
        with wave.open(str(tmp_path / "me.jpg"), "wb") as sound:
            sound.setparams((1, 2, 8000, 0, "NONE", ""))
            sound.writeframes(samples)
    ended = run(*command, tmp_path / "me.jpg", "--work", tmp_path / "work")
    assert ended.exit_code == 1 and ended.stderr.count("\n") == 1
    assert f"me.jpg is a {kind}" in ended.stderr and "not a picture that can be read" in ended.stderr
