"""The page of an answer tells how it was asked."""

import xml.etree.ElementTree as ET

from carina.pages.answer_page import AnsweredImage, AnsweredQuery, render_answer_page

ANSWERED = AnsweredImage(
    name="a.png",
    queries=(AnsweredQuery(query="covid-19", score=0.25, picture=None, file=None),),
)


def test_a_description_that_was_asked_with_is_shown_as_it_was_typed() -> None:
    page = render_answer_page([ANSWERED], [], [("covid-19", "opacities < 2 cm & patchy")])
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    items = ["".join(item.itertext()) for item in root.iter("{http://www.w3.org/1999/xhtml}li")]
    assert items == ["covid-19: opacities < 2 cm & patchy"]


def test_names_alone_need_no_list() -> None:
    assert "Asked with a description" not in render_answer_page([ANSWERED], [])
