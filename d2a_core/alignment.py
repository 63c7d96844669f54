"""The crop of FFHQ: where faces lie on the pictures that the generator was trained on."""

from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray

from d2a_core import io
from d2a_core.schemes import Scheme


@dataclass(frozen=True)
class Layout:
    """A crop of FFHQ alignment: `centre` [N, 2] and `axis` [N, 2], half its width along the eyes."""

    centre: NDArray[np.float64]
    axis: NDArray[np.float64]


def layout(points: NDArray, scheme: Scheme) -> Layout:
    """Crop of FFHQ alignment (Karras et al. 2019, appendix A) for points [N, P, 2] in isotropic units.

    With the eye centres' middle e and difference d, and m the mouth's middle minus e: the axis points along
    d - rot90(m), its length is max(2|d|, 1.8|m|), the centre is e + 0.1 m.
    """
    left, right = (points[:, list(eye)].mean(axis=1) for eye in (scheme.left_eye, scheme.right_eye))
    eyes, across = (left + right) / 2, right - left
    down = points[:, list(scheme.mouth_corners)].mean(axis=1) - eyes
    axis = across - np.stack((-down[:, 1], down[:, 0]), axis=1)
    length = np.maximum(2.0 * np.linalg.norm(across, axis=1), 1.8 * np.linalg.norm(down, axis=1))
    axis *= (length / np.linalg.norm(axis, axis=1))[:, None]
    return Layout(eyes + 0.1 * down, axis)


def align(points: NDArray, crops: Layout, reference: Layout) -> NDArray[np.float32]:
    """Move points [N, P, 2] by the similarity that takes each crop to the `reference` crop (one row)."""
    scale = reference.axis[0] @ np.array([1, 1j]) / (crops.axis @ np.array([1, 1j]))
    local = (points - crops.centre[:, None]) @ np.array([1, 1j])
    placed = local * scale[:, None]
    return (np.stack((placed.real, placed.imag), axis=-1) + reference.centre[0]).astype(np.float32)


def reference_layout(table: pyarrow.Table, scheme: Scheme) -> Layout:
    """The crop of a typical sampled face, from the landmark table of all samples: medians over the faces.

    Landmarks of another detector than FFHQ's sit slightly elsewhere; taking the generator's own faces
    as reference removes that shift.
    """
    found = table.column("found").to_numpy(zero_copy_only=False)
    crops = layout(io.points_array(table)[found], scheme)
    return Layout(
        np.median(crops.centre, axis=0, keepdims=True), np.median(crops.axis, axis=0, keepdims=True)
    )
