import numpy as np
import pytest

from utils.letterbox import Letterbox
from yolo4.inference.heatmap import HeatMap, confidence_grid, draw_heat

pytestmark = pytest.mark.quick

SIZE = (64, 96)
GRIDS = [(8, 12), (4, 6), (2, 3)]
CELLS = (8 * 12, 4 * 6, 2 * 3)


def confident_at(level, row, column, anchor):
    columns = (12, 6, 3)[level]
    start = 3 * sum(CELLS[:level])
    confidence = np.zeros(3 * sum(CELLS), np.float32)
    confidence[start + 3 * (row * columns + column) + anchor] = 0.9
    return confidence


@pytest.mark.parametrize(
    ("level", "row", "column"), [(0, 3, 7), (0, 7, 0), (1, 3, 5), (1, 0, 2), (2, 1, 0)]
)
def test_a_confident_predictor_shows_at_its_cell(level, row, column):
    stride = 8 * 2**level
    heat = HeatMap(
        confidence_grid(confident_at(level, row, column, 1), GRIDS),
        Letterbox.fit((96, 64), SIZE),
    ).over_source()
    assert heat.shape == SIZE
    cell = heat[row * stride : (row + 1) * stride, column * stride : (column + 1) * stride]
    assert cell.max() == heat.max() > 0.5
    center = (np.indices(SIZE) * (heat / heat.sum())).sum(axis=(1, 2)) // stride
    assert center.tolist() == [row, column]


def test_the_highest_of_a_cell_counts():
    confidence = np.zeros(3 * sum(CELLS), np.float32)
    confidence[:3] = 0.2, 0.7, 0.4
    assert confidence_grid(confidence, GRIDS)[0, 0] == np.float32(0.7)


def test_the_padding_is_cut_off():
    # 200 x 50 fills 96 x 24 of 96 x 64, from row 20 on.
    grid = np.zeros((8, 12), np.float32)
    grid[4] = 1
    heat = HeatMap(grid, Letterbox.fit((200, 50), SIZE)).over_source()
    assert heat.shape == (50, 200)
    assert np.abs(heat.mean(1).argmax() - (36 - 20) / 24 * 50) < 6


def test_hot_is_red_and_cold_is_blue():
    grid = np.zeros((8, 12), np.float32)
    grid[:, :6] = 1
    gray = np.full((*SIZE, 3), 128, np.uint8)
    drawn = draw_heat(gray, HeatMap(grid, Letterbox.fit((96, 64), SIZE)))
    assert (drawn.shape, drawn.dtype) == ((*SIZE, 3), np.uint8)
    red, blue = drawn[..., 0].astype(int), drawn[..., 2].astype(int)
    assert (red - blue)[:, :40].min() > 30
    assert (blue - red)[:, 56:].min() > 30
    assert (gray == 128).all()
