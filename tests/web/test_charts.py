"""Bars of a chart."""

from web.charts import HEIGHT, WIDTH, bars


def test_parts_are_stacked_from_the_bottom_in_the_order_of_their_kinds() -> None:
    [low, high] = bars({"a": {"failed": 1}, "b": {"failed": 1, "succeeded": 3, "other": 9}}, ["succeeded", "failed"])
    assert [(part.kind, part.number) for part in high.parts] == [("succeeded", 3), ("failed", 1)]
    assert high.parts[0].y + high.parts[0].height == HEIGHT
    assert high.parts[1].y + high.parts[1].height == high.parts[0].y
    assert low.text == "a: 1 failed"
    assert low.x + low.width < high.x < high.x + high.width < WIDTH


def test_chart_without_numbers_has_empty_bars() -> None:
    assert [bar.text for bar in bars({"a": {}, "b": {}}, ["failed"])] == ["a: nothing", "b: nothing"]
    assert bars({}, ["failed"]) == []
