"""Identity embeddings of faces by a recognition model of the ArcFace family, in insightface's format.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition" (CVPR 2019). The weights decide
the values, so tables name the file: cosines of different networks do not compare.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from d2a_core import runtime
from d2a_core.faces.schemes import scheme_of
from d2a_core.store import texts

SIDE = 112  # px, of what the networks see
# insightface's left eye, right eye, nose tip, mouth corners in px; the first pixel's centre is 0
TEMPLATE = np.array(
    ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
)
HALF_RANGE = 127.5  # of 8 bits
REMEDY = "give an .onnx recognition model in insightface's format"


class Embedder:
    """Embeddings of unit length of faces with known landmarks, the same for a mirrored image.

    The mean of the normalised embeddings of the aligned face and of its mirror image, as the evaluation of
    ArcFace on LFW takes it.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        """`path` is an .onnx file, [N, 3, 112, 112] → [N, D]; raises ValueError when it is not one."""
        path = Path(path)
        self._network, self._normalises = _compiled(path, threads)
        self.name = f"ArcFace {path.name} {texts.sha256(path)[:8]}"

    def embed(self, images: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        """[N, D] for images u1 [N, H, W, 3] with landmarks [N, P, 2] in fractions; NaN for NaN."""
        return np.stack([self._one(image, face) for image, face in zip(images, points, strict=True)])

    def _one(self, image: NDArray[np.uint8], points: NDArray) -> NDArray[np.float32]:
        if np.isnan(points).any():
            return np.full(self._network.outputs[0].shape[1], np.nan, np.float32)
        chip = align(image, five_points(points * [image.shape[1], image.shape[0]]))
        return _unit(self._direction(chip) + self._direction(chip[:, ::-1]))

    def _direction(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        pixels = chip.transpose(2, 0, 1)[None].astype(np.float32)
        if not self._normalises:
            pixels = (pixels - HALF_RANGE) / HALF_RANGE
        return _unit(self._network(np.ascontiguousarray(pixels))[0][0])


def five_points(points: NDArray) -> NDArray[np.float64]:
    """Left eye, right eye, nose tip, left and right mouth corner [5, 2] of 98 or 68 landmarks [P, 2].

    An eye is the mean of its contour, which stays where the gaze goes. Left is that of the image.
    """
    scheme = scheme_of(len(points))
    eyes = [points[list(eye)].mean(axis=0) for eye in (scheme.left_eye, scheme.right_eye)]
    return np.stack([*eyes, points[scheme.nose_tip], *points[list(scheme.mouth_corners)]])


def similarity(points: NDArray, template: NDArray) -> NDArray[np.float64]:
    """The turn, scale and shift [2, 3] that takes `points` [P, 2] closest to `template` [P, 2].

    Least squares: Umeyama (PAMI 1991) without reflections. On complex numbers it is the linear regression
    template ≈ a · points + b.
    """
    source, target = (each @ (1, 1j) for each in (points, template))
    centred = source - source.mean()
    a = np.vdot(centred, target) / np.vdot(centred, centred).real
    b = target.mean() - a * source.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(image: NDArray[np.uint8], corners: NDArray) -> NDArray[np.uint8]:
    """The face u1 [112, 112, 3] of an image u1 [H, W, 3] whose five points [5, 2] (px) lie on the template.

    Bilinear, black outside the image. Where the face is more than twice as large the image is reduced by a
    whole factor first, else its texture would alias.
    """
    placed = similarity(corners, TEMPLATE + 0.5)  # points and Pillow count from the image's edge
    factor = max(1, int(1 / np.hypot(placed[0, 0], placed[1, 0])))
    picture = Image.fromarray(np.ascontiguousarray(image)).reduce(factor)
    turn = np.linalg.inv(placed[:, :2])
    back = np.column_stack((turn, -turn @ placed[:, 2])) / factor
    form = Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BILINEAR
    return np.asarray(picture.transform((SIDE, SIDE), *form))


def _unit(vector: NDArray) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _compiled(path: Path, threads: int):
    """The network on the CPU for one face at a time, and whether it brings pixels to [-1, 1] itself."""
    import openvino

    if not path.is_file():
        raise ValueError(f"there is no file {path.absolute()}; {REMEDY}")
    core = openvino.Core()
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise ValueError(f"{path} cannot be read as an ONNX model; {REMEDY}") from error
    shape = openvino.PartialShape([1, 3, SIDE, SIDE])
    if len(model.inputs) != 1 or not model.input().partial_shape.compatible(shape):
        found = ", ".join(str(each.partial_shape) for each in model.inputs) or "nothing"
        raise ValueError(f"{path} takes {found} instead of one input [N,3,{SIDE},{SIDE}]; {REMEDY}")
    model.reshape(shape)
    found = ", ".join(str(each.partial_shape) for each in model.outputs)
    if len(model.outputs) != 1 or not model.output().partial_shape.compatible(openvino.PartialShape([1, -1])):
        raise ValueError(f"{path} gives {found} instead of one embedding [N,D]; {REMEDY}")
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, **runtime.FREE_THREADS}
    return core.compile_model(model, "CPU", hints), _normalises(model)


def _normalises(model) -> bool:
    """Whether the model begins with a subtraction and a multiplication, as those exported from MXNet do."""
    (first, *_) = model.input().get_target_inputs()
    if first.get_node().get_type_name() != "Subtract":
        return False
    (second, *_) = first.get_node().output(0).get_target_inputs()
    return second.get_node().get_type_name() == "Multiply"
