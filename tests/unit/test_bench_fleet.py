"""The table and the plot of what a deploy of several hosts costs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from bench_fleet import PAGE, TABLE, Cost, plot, table

COSTS = [Cost(1, 4.0, 3.0, 90.4), Cost(2, 5.0, 4.5, 100), Cost(16, 22.0, 31.5, 300)]


def test_the_table() -> None:
    assert table(COSTS).splitlines()[2:] == [
        "| 1 | 4.0 | 1.0 | 3.0 | 90 |",
        "| 2 | 5.0 | 1.2 | 4.5 | 100 |",
        "| 16 | 22.0 | 5.5 | 31.5 | 300 |",
    ]
    assert TABLE.search(PAGE.read_text()), "there is a place for it"


def test_the_plot_is_a_picture_with_all_points_in_it() -> None:
    picture = ElementTree.fromstring(plot(COSTS))
    circles = [each for each in picture.iter() if each.tag.endswith("circle")]
    assert len(circles) == 2 * len(COSTS)
    for circle in circles:
        assert 60 <= float(circle.get("cx", "0")) <= 640
        assert 0 <= float(circle.get("cy", "-1")) <= 310
