from ml_pipeline.models.registry.registry import DESCRIPTION_CHARACTERS, described

LINE = "| language=es | rule | 40 | 0.310 | 0.220 | +0.090 (+0.010 to +0.170) |\n"


def test_a_card_that_fits_is_the_description():
    card = "# needs: HOLD\n" + LINE

    assert described(card) == card


def test_of_a_longer_card_whole_lines_are_shown_and_where_the_others_are():
    shown = described(LINE * 200)

    lines, pointer = shown.split("\n\n")
    assert DESCRIPTION_CHARACTERS - len(LINE) < len(shown) <= DESCRIPTION_CHARACTERS
    assert set(lines.splitlines(keepends=True)[:-1]) == {LINE}
    assert lines.endswith("|")
    assert "card.md" in pointer
