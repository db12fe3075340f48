"""What a reader of a figure cannot do without: words that do not cover each other, and marks that differ in grey."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def assert_no_overlap(figure: Figure) -> None:
    """No two texts of the drawn figure touch, numbers on axes included, and none leaves the page."""
    figure.draw_without_rendering()
    boxes = [(text, text.get_window_extent()) for text in _texts(figure)]
    page = figure.bbox.padded(1)
    for number, (text, box) in enumerate(boxes):
        assert page.containsx(box.x0) and page.containsx(box.x1), f"{text.get_text()!r} leaves the page sideways"
        assert page.containsy(box.y0) and page.containsy(box.y1), f"{text.get_text()!r} leaves the page"
        for other, other_box in boxes[:number]:
            shared = Bbox.intersection(box, other_box)
            touch = shared is not None and shared.width > 0.5 and shared.height > 0.5
            assert not touch, f"{text.get_text()!r} covers {other.get_text()!r}"


def assert_plain(figure: Figure) -> None:
    """No text of the figure is read as a formula."""
    figure.draw_without_rendering()
    for text in _texts(figure):
        assert "$" not in text.get_text() or not text.get_parse_math(), text.get_text()


def legend_names(figure: Figure) -> list[str]:
    """Names in the figure's legend, unwrapped."""
    return [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()] if figure.legends else []


def legend_markers(figure: Figure) -> list[tuple[str, bool]]:
    """Marker of each entry of the legend, and whether it is hollow."""
    lines = [one for one in figure.legends[0].legend_handles if isinstance(one, Line2D)]
    return [(str(line.get_marker()), line.get_markerfacecolor() == "white") for line in lines]


def points(line: Line2D) -> list[tuple[float, float]]:
    """What a line or its markers stand for, as pairs."""
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def _texts(figure: Figure) -> Iterator[Text]:
    of_ticks: set[int] = set()
    drawn: list[Text] = []
    for axis in figure.findobj(Axis):
        assert isinstance(axis, Axis)
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            of_ticks |= {id(tick.label1), id(tick.label2)}
            # ticks beyond the view exist, but are not drawn
            if axis.axes.axison and low - 1e-9 <= tick.get_loc() <= high + 1e-9:
                drawn += [tick.label1, tick.label2]
    others = [text for text in figure.findobj(Text) if isinstance(text, Text) and id(text) not in of_ticks]
    off = {id(text) for axes in figure.axes if not axes.axison for text in (axes.xaxis.label, axes.yaxis.label)}
    for text in [*drawn, *others]:
        if text.get_visible() and text.get_text().strip() and id(text) not in off:
            yield text
