"""`seedfill fill`, `models`, `doctor` and `stop` against the real service with a tiny random model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seedfill import cli
from tests.support.tiny_model import make_tiny_model


@pytest.fixture(scope="module", autouse=True)
def _tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEDFILL_MODEL", str(folder))
        yield
        cli.run(["stop"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.py"
    path.write_bytes(b"def add(a, b):\r\n    return \r\n")
    return path


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    code = cli.run([*map(str, arguments), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    body: dict[str, Any] = json.loads(out)
    return body


def test_fill_answers_and_leaves_the_file_alone(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = file.read_bytes()
    body = run_json(capsys, "fill", file, "--at", "2:12", "--max-tokens", 8)
    assert set(body) == {"text", "tokens", "forwards", "ms", "load_ms", "confidence", "finish", "model", "device"}
    assert 1 <= body["tokens"] <= 8
    assert body["forwards"] >= 1
    assert 0 <= body["confidence"] <= 1
    assert body["finish"] in ("end", "length")
    assert body["model"] == "tiny"
    assert file.read_bytes() == before


@pytest.mark.parametrize("command", [("fill", "--at", "1:1"), ("edit", "--lines", "1:1", "sort it")])
@pytest.mark.parametrize("name", [".env", "id_rsa", "plain.py"])
def test_a_file_with_secrets_is_refused(
    tmp_path: Path, name: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also behind a link with a harmless name."""
    path = tmp_path / name
    (tmp_path / ".env").write_text("KEY=1\n")
    if not path.exists():
        path.symlink_to(tmp_path / ".env")
    assert cli.run([command[0], str(path), *command[1:]]) == 3
    assert "may hold secrets" in capsys.readouterr().err


def test_no_model_id_is_cut_in_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a-model-with-a-long-id-1.5b-instruct-base"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")
    make_tiny_model(tmp_path / "seedfill" / "models" / name)
    assert cli.run(["models", "list"]) == 0
    assert name in capsys.readouterr().out


def test_the_same_seed_gives_the_same_fill(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("fill", file, "--at", "2:12", "--candidates", 3, "--max-tokens", 6, "--seed", 5)
    first, second = run_json(capsys, *arguments), run_json(capsys, *arguments)
    assert [one["text"] for one in first["candidates"]] == [one["text"] for one in second["candidates"]]
    assert len(first["candidates"]) == 3
    assert {key: first[key] for key in first["candidates"][0]} == first["candidates"][0]


def test_apply_inserts_the_fill(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = run_json(capsys, "fill", file, "--at", "2:12", "--max-tokens", 4, "--apply")
    assert file.read_bytes() == f"def add(a, b):\r\n    return {body['text']}\r\n".encode()


def test_holes_are_filled_and_applied(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("x = ▢\ny = ▢ + 1\n")
    file.chmod(0o600)
    body = run_json(capsys, "fill", file, "--holes", "--max-tokens", 4, "--apply")
    assert [(hole["line"], hole["col"]) for hole in body["holes"]] == [(1, 5), (2, 5)]
    one, two = (hole["text"] or "▢" for hole in body["holes"])
    assert file.read_bytes() == f"x = {one}\ny = {two} + 1\n".encode()
    assert file.stat().st_mode & 0o777 == 0o600


def test_holes_print_the_filled_file(file: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    file.write_bytes("x = ??\r\n# ▢ stays\r\n".encode())
    assert cli.run(["fill", str(file), "--holes", "--hole-marker", "??", "--max-tokens", "4"]) == 0
    out = capfdbinary.readouterr().out
    assert out.startswith(b"x = ")
    assert out.endswith("\r\n# ▢ stays\r\n".encode())


def test_fill_shows_the_lines_around_the_cursor(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["fill", str(file), "--at", "2:12", "--max-tokens", "4"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1   def add(a, b):\n2 +     return ")
    assert "tokens in" in out


@pytest.mark.parametrize("text", ["", "\n" * 50_000, "a\f\tb = '🙂'\r\n", "x" * 20_000])
def test_fill_answers_for_odd_buffers(text: str, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_bytes(text.encode())
    body = run_json(capsys, "fill", file, "--at", "1:1", "--max-tokens", 2)
    assert isinstance(body["text"], str)


def test_fill_answers_in_languages_the_model_was_not_made_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "NOTES"
    file.write_text("let x = \n")
    assert isinstance(run_json(capsys, "fill", file, "--at", "1:9", "--max-tokens", 2)["text"], str)


@pytest.mark.parametrize(("arguments", "complaint"), [(["--model", "no-such"], "There is no model 'no-such'")])
def test_what_the_sampler_refuses_is_said_in_a_sentence(
    arguments: list[str], complaint: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["fill", str(file), "--at", "1:1", *arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err


def test_models_list_tells_what_is_loaded(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_json(capsys, "fill", file, "--at", "1:1", "--max-tokens", 1)
    (model,) = run_json(capsys, "models", "list")["models"]
    assert (model["id"], model["licence"], model["languages"]) == ("tiny", "apache-2.0", ["python"])
    assert model["parameters"] > 10_000
    assert model["bytes"] >= 4 * model["parameters"]
    assert (model["loaded"], model["fits"]) == (True, True)


def test_models_list_names_a_damaged_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_tiny_model(tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    monkeypatch.setenv("SEEDFILL_MODEL", str(folder))
    assert cli.run(["models", "list", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"models": []}
    assert "is damaged" in err


def test_doctor_reports_service_device_and_problems(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_json(capsys, "fill", file, "--at", "1:1", "--max-tokens", 1)
    report = run_json(capsys, "doctor")
    assert report["device"] in ("cpu", "cuda", "mps")
    assert report["dtype"] in ("float32", "bfloat16")
    assert report["matmul_gflops"]["float32"] > 0
    assert report["service"]["status"] == "ready"
    assert report["languages"] == ["python"]
    assert all(problem.endswith(".") for problem in report["problems"])


def test_doctor_says_what_to_do_without_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEDFILL_MODEL", str(tmp_path))
    assert cli.run(["doctor"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "No model is installed" in out
    assert "set SEEDFILL_MODEL" in out
