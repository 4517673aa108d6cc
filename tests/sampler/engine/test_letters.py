"""The shipped model edits code in any script, and changes no letter of it that nobody named."""

from __future__ import annotations

import pytest

from sampler.engine.job import Job
from sampler.engine.scheduler import Scheduler
from sampler.model import checkpoint
from sampler.model.checkpoint import LoadedModel
from sampler.protocol.messages import Event, InfillRequest, InfillResult
from sampler.protocol.paths import default_model_folder
from sampler.text.rewriting import edit_request

CODE = {
    "German": "def f(a):\n    return a  # größe\n    print(a)",
    "Chinese": "def f(a):\n    # 计算总和\n    b = a == True\n    print('调试', b)\n    return b",
    "Japanese": "def 合計(値):\n    結果 = 値 + 1\n    print(結果)\n    return 結果  # 合計を返す",
    "Russian": "def f(x):\n    привет = 'мир'\n    x = x + 1\n    if x != None:\n        return привет",
    "Esperanto": "def ŝanĝi(ĉu):\n    '''Ŝanĝas ĝin.'''\n    return dict([('ĵaŭdo', ĉu)])",
    "arrows": "def f(a):\n    x = a + 1  # a → b ⇒ c\n    return x\n    x = 0",
    "quotes": "def f(n):\n    s = '“hello” — he said…'\n    unused = 1\n    return s, n",
}
INSTRUCTIONS = ("remove dead code", "remove debug prints", "use augmented assignment", "use is for None", "simplify")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return checkpoint.load(default_model_folder())


def edited(model: LoadedModel, code: str, instruction: str) -> str:
    events, board = list[Event](), Scheduler()
    request: InfillRequest = edit_request("", code, "", instruction, document="a", stream=True)
    board.admit(Job(request, events.append), model)
    while board.active:
        board.round()
    assert "\ufffd" not in repr(events) and "\\udc" not in ascii(events)
    (result,) = (event for event in events if isinstance(event, InfillResult))
    return result.candidates[0].fills[0]


@pytest.mark.parametrize("code", CODE.values(), ids=CODE)
@pytest.mark.parametrize("instruction", INSTRUCTIONS)
def test_an_edit_leaves_letters_alone(model: LoadedModel, code: str, instruction: str) -> None:
    words = code.split()
    written = [word for word in edited(model, code, instruction).split() if not word.isascii()]
    assert [word for word in written if word.strip("'\":()[],") not in code] == []
    assert len(words) >= len(written)


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 5])
def test_a_fill_holds_no_half_of_a_character(model: LoadedModel, max_tokens: int) -> None:
    heard, board = list[Event](), Scheduler()
    pieces = ("# 计算\nx = '计算", "'\n")
    request = InfillRequest(document="a", pieces=pieces, max_tokens=max_tokens, n_candidates=3)
    board.admit(Job(request, heard.append), model)
    while board.active:
        board.round()
    assert "\ufffd" not in repr(heard)
