import ast

from seedfill.training.data import smoke_files


def test_codecs_are_short_whole_beginnings_without_tables() -> None:
    documents = smoke_files.codec_documents()
    assert len(documents) > 50
    assert all(d.text.startswith("import codecs") and "Table" not in d.text for d in documents)
    assert sum(len(d.text) for d in documents) < 200_000
    assert any("getregentry" in d.text for d in documents)
    for document in documents:
        ast.parse(document.text)
