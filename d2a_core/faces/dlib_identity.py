"""Identity embeddings of faces: dlib's ResNet (King, 2017; 99.38 % on LFW)."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from d2a_core.faces import face_resnet
from d2a_core.faces.schemes import Scheme, scheme_of

SIZE = 128  # numbers of an embedding


class DlibEmbedder:
    """128-d embeddings of faces with known landmarks.

    dlib calls two photographs the same person below a Euclidean distance of 0.6. Its embeddings share a
    large common part, so cosines are high throughout: the table of the evaluation prints the value between
    strangers beside every figure, and only the distance from that value means something.

    dlib cuts the faces out; the network is the port to PyTorch, which takes a fifth of the time.
    """

    name = "dlib ResNet 128-d"

    def __init__(self, folder: str | Path) -> None:
        self.network = face_resnet.load(Path(folder) / face_resnet.FILE)

    def embed(self, images: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        """[N, 128] for images u1 [N, H, W, 3] with landmarks [N, P, 2] in fractions; NaN for NaN."""
        return np.stack([self._one(image, face) for image, face in zip(images, points, strict=True)])

    def embed_chip(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embedding [128] of what `chip` has cut out."""
        with torch.no_grad():
            pixels = torch.from_numpy(face).to(self.network.mean.device)
            return self.network(pixels.permute(2, 0, 1)[None].float())[1][0].cpu().numpy()

    def _one(self, image: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        if np.isnan(points).any():
            return np.full(SIZE, np.nan, np.float32)
        return self.embed_chip(chip(image, points))


def chip(image: NDArray[np.uint8], points: NDArray) -> NDArray[np.uint8]:
    """Cut a face with landmarks [P, 2], in fractions, out of an image u1 [H, W, 3]: u1 [150, 150, 3]."""
    import dlib

    pixels = points * [image.shape[1], image.shape[0]]
    order = five_points(scheme_of(len(pixels)))
    corners = [dlib.point(*(int(round(float(v))) for v in pixels[index])) for index in order]
    low, high = np.nanmin(pixels, axis=0), np.nanmax(pixels, axis=0)
    box = dlib.rectangle(*(int(v) for v in (*low, *high)))
    shape = dlib.full_object_detection(box, dlib.points(corners))
    side, padding = face_resnet.CHIP_SIDE, face_resnet.CHIP_PADDING
    return dlib.get_face_chip(np.ascontiguousarray(image), shape, size=side, padding=padding)


def five_points(scheme: Scheme) -> tuple[int, ...]:
    """The layout of dlib's 5-point model: right eye outer, inner, left eye outer, inner, nose base."""
    left, right = scheme.left_corners, scheme.right_corners
    return (right[1], right[0], left[0], left[1], scheme.nose_base)
