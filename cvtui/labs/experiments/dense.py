"""A convolution as a matrix: the fully connected layer that computes the same."""

from __future__ import annotations

import torch
from torch import Tensor


def output_side(side: int, size: int, stride: int, padding: int) -> int:
    """(W − F + 2P) / S + 1, rounded down."""
    return (side - size + 2 * padding) // stride + 1


def conv_matrix(kernel: Tensor, height: int, width: int, *, stride: int = 1, padding: int = 0) -> tuple[Tensor, Tensor]:
    """(T, groups), both [K·H'·W', C·H·W]: T @ image.flatten() is the cross-correlation with `kernel` [K, C, Fh, Fw].

    groups: which of the kernel's numbers stands in each place, from 1; 0 where there is no connection. Within a filter
    and channel T is doubly block Toeplitz (every diagonal of every block holds one number).
    """
    filters, channels, size_y, size_x = kernel.shape
    out_y, out_x = output_side(height, size_y, stride, padding), output_side(width, size_x, stride, padding)
    matrix = torch.zeros(filters, out_y, out_x, channels, height, width, dtype=kernel.dtype)
    groups = torch.zeros(matrix.shape, dtype=torch.int64)
    numbers = torch.arange(1, kernel.numel() + 1).reshape(kernel.shape)
    rows, columns = torch.meshgrid(torch.arange(out_y), torch.arange(out_x), indexing="ij")
    for tap_y in range(size_y):
        for tap_x in range(size_x):
            y, x = rows * stride + tap_y - padding, columns * stride + tap_x - padding
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            to_y, to_x, from_y, from_x = rows[inside], columns[inside], y[inside], x[inside]
            for channel in range(channels):
                matrix[:, to_y, to_x, channel, from_y, from_x] = kernel[:, channel, tap_y, tap_x, None]
                groups[:, to_y, to_x, channel, from_y, from_x] = numbers[:, channel, tap_y, tap_x, None]
    shape = (filters * out_y * out_x, channels * height * width)
    return matrix.reshape(shape), groups.reshape(shape)
