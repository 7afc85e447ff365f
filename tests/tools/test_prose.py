import pytest

from tools.prose import ROOT, findings, main

BAD = [
    "Nobody reads it.",
    "a key of somebody's",
    "Whoever asks is refused.",
    "The log-in has expired.",
    "The answer is cached.",
    "Each answer has a header.",
    "a vendor's answer",
    "It sends the reply.",
    "Raises if it is no JSON.",
    "They are no chunks.",
    "The log tells the operator.",
    "It hears of changes.",
    "The client hung up.",
    "It waited in vain.",
    "It is written to the books.",
]
GOOD = [
    "The server answers 200.",
    "Ask for something with only one answer.",
    "`answer_model`, or the `answer` of a person",
    "There is no JSON.",
    "It is no longer used, and no more than that.",
    "Log in, and the session begins.",
    "A session token is not a key.",
]


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "tornado_router").mkdir()
    return tmp_path


@pytest.mark.parametrize("text", BAD)
def test_what_is_refused(repository, capsys, text):
    (repository / "docs/page.md").write_text(f"# Title\n\n{text}\n")
    assert main(repository) == 1
    assert capsys.readouterr().err.startswith("docs/page.md:3: ")


@pytest.mark.parametrize("text", GOOD)
def test_what_is_not(repository, text):
    (repository / "docs/page.md").write_text(text)
    assert main(repository) == 0


def test_code_of_a_page_is_left_out(repository):
    (repository / "docs/page.md").write_text("```sh\necho nobody\n```\n\nNobody.\n")
    assert [item.line for item in findings(repository)] == [5]


def test_what_a_source_has_as_text(repository):
    (repository / "tornado_router/module.py").write_text(
        '"""Nobody reads\n\nthis answer."""\n'
        "NOBODY = 'nobody'\n"
        "def nobody(whoever):\n"
        '    """Somebody."""\n'
        "    raise ValueError(f'{whoever} is no key')  # which nobody has\n"
    )
    found = sorted((item.line, item.words) for item in findings(repository))
    assert found == [
        (1, "Nobody"),
        (3, "this answer"),
        (7, "is no key"),
        (7, "nobody"),
    ]


def test_a_phrase_may_stand_on_two_lines(repository):
    (repository / "docs/page.md").write_text("It is\nno key.\n")
    assert [item.line for item in findings(repository)] == [1]


def test_the_texts_of_this_repository(capsys):
    assert main(ROOT) == 0, capsys.readouterr().err
