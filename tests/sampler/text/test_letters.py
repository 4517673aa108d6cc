"""An edit leaves letters beyond ASCII as they are, unless it was asked to change them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampler.text.letters import Letters

KEPT = [
    # old, what the model wrote, the instruction, what is made of it
    ("x = 1  # größe", "x = 1  # gr\udcc3", "remove dead code", "x = 1  # größe"),
    ("return a  # größe\nprint(a)", "return a  # gr\udcc3", "remove dead code", "return a  # größe"),
    ("x = 'größe'", "x = 'grüße'", "simplify", "x = 'größe'"),
    ("x = 1  # 计算总和", "x = 1  # 计算\udce6\udc80", "clean up", "x = 1  # 计算总和"),
    ("x = 1  # 计算总和", "x = 1  # 计算", "clean up", "x = 1  # 计算总和"),
    ("# ĉiu ŝanĝo\ny = 2", "# ciu ŝanĝo\ny = 3", "fix the number", "# ĉiu ŝanĝo\ny = 3"),
    ("x = f(y)  # → z", "x = f(y)  #  z", "simplify", "x = f(y)  # → z"),
    ("say(“hello”, n)", 'say("hello", n)', "simplify", "say(“hello”, n)"),
    ("привет = 1\nx = 2", "првет = 1\nx = 3", "three", "привет = 1\nx = 3"),
    ("print(a)  # größe", "print(a, b)  # größe", "print b too", "print(a, b)  # größe"),
    ("try:\n    読む()\nexcept:", "try:\n    說\nexcept:", "remove dead code", "try:\n    読む()\nexcept:"),
    ("# ĉiu\nx = 1\n# antaŭ ŝanĝo", "# ĉiu\n\n# aŒ\x9do", "simplify", "# ĉiu\nx = 1\n# antaŭ ŝanĝo"),
    ("x = a + b", "x = a + \udce9b", "simplify", "x = a + b"),
    ("x = a + b", "x = a + é", "simplify", "x = a + b"),
    # what was asked for, or goes as a whole, is done
    ("größe = 1\nprint(größe)", "laenge = 1\nprint(laenge)", "rename größe to laenge", None),
    ("x = 1  # größe", "x = 1", "remove the comment", None),
    ("print('größe', x)", "print(x)", "print less", None),
    ("a = 1\nprint('größe')\nb = 2", "a = 1\nb = 2", "remove debug prints", None),
    ("x = '%s größe' % y", "x = f'{y} größe'", "use an f-string", None),
    ("# Kommentar für später\nx = 1", "# comment for later\nx = 1", "translate", None),
    ("a = 1", 'a = 1\nprint("é")', "print é", None),
    ("a = '\ufffd'  # größe", "b = '\ufffd'  # größe", "rename", None),
]


@pytest.mark.parametrize(("old", "new", "instruction", "kept"), KEPT)
def test_letters_that_nobody_named_stay(old: str, new: str, instruction: str, kept: str | None) -> None:
    assert Letters(old, instruction).kept(new) == (new if kept is None else kept)


LETTERS = st.text(st.sampled_from("ab #=\n(ößüé→“总和пр"), max_size=40)


@given(old=LETTERS, cut=st.integers(0, 200), more=LETTERS)
def test_no_broken_character_is_left(old: str, cut: int, more: str) -> None:
    new = ((old + more).encode()[:cut] + more.encode()).decode("utf-8", "surrogateescape")
    Letters(old).kept(new).encode()  # a lone surrogate has no encoding


@given(old=LETTERS)
def test_what_is_left_alone_stays(old: str) -> None:
    assert Letters(old).kept(old) == old
