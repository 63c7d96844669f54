"""Landmark schemes: meaning, mirror image and facial part of points.

Left and right are sides of the image. Layouts: WFLW (Wu et al., CVPR 2018) and 300-W (Sagonas et al.,
ICCV workshops 2013).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scheme:
    """Indices into the `size` points of one layout; `lids` and `lips` are (upper, lower) pairs.

    `upper_brows` are the upper lines of both brows from left to right, `template` the points of the mean face
    in WFLW's layout (see `mean_face`) at which these points lie.
    """

    name: str
    size: int
    mirror: tuple[int, ...]
    parts: dict[str, tuple[int, ...]]
    left_eye: tuple[int, ...]
    right_eye: tuple[int, ...]
    left_corners: tuple[int, int]
    right_corners: tuple[int, int]
    lids: tuple[tuple[int, int], ...]
    left_brow: tuple[int, ...]
    right_brow: tuple[int, ...]
    mouth_corners: tuple[int, int]
    lips: tuple[tuple[int, int], ...]
    upper_brows: tuple[int, ...]
    nose_tip: int
    nose_base: int
    pupils: tuple[int, int] | None
    rigid: tuple[int, ...]
    template: tuple[int, ...]

    @property
    def outer_eyes(self) -> tuple[int, int]:
        """Outer corners of both eyes; their distance is the inter-ocular one."""
        return self.left_corners[0], self.right_corners[1]

    @property
    def openings(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Opposite points, upper and lower, of the left eye, the right eye and the inner lips."""
        eyes = (
            tuple(pair for pair in self.lids if pair[0] in eye) for eye in (self.left_eye, self.right_eye)
        )
        return (*eyes, self.lips)

    @property
    def lines(self) -> tuple[tuple[int, ...], ...]:
        """Lines of a drawn face: contour, nose, brows, then eyes and lips, which are closed."""
        nose, mouth = self.parts["nose"], self.parts["mouth"]
        closed = (self.left_eye, self.right_eye, mouth[:12], mouth[12:])  # outer, then inner lips
        open_lines = (self.parts["contour"], nose[:4], nose[4:], self.left_brow, self.right_brow)
        return (*open_lines, *((*line, line[0]) for line in closed))


def _span(first: int, last: int) -> tuple[int, ...]:
    step = 1 if last >= first else -1
    return tuple(range(first, last + step, step))


WFLW98 = Scheme(
    name="wflw-98",
    size=98,
    mirror=(
        *_span(32, 0),
        *_span(46, 42),
        *_span(50, 47),
        *_span(37, 33),
        *_span(41, 38),
        *_span(51, 54),
        *_span(59, 55),
        *_span(72, 68),
        *_span(75, 73),
        *_span(64, 60),
        *_span(67, 65),
        *_span(82, 76),
        *_span(87, 83),
        *_span(92, 88),
        *_span(95, 93),
        97,
        96,
    ),
    parts={
        "all": _span(0, 97),
        "contour": _span(0, 32),
        "brows": _span(33, 50),
        "eyes": (*_span(60, 75), 96, 97),
        "nose": _span(51, 59),
        "mouth": _span(76, 95),
    },
    left_eye=_span(60, 67),
    right_eye=_span(68, 75),
    left_corners=(60, 64),
    right_corners=(68, 72),
    lids=((61, 67), (62, 66), (63, 65), (69, 75), (70, 74), (71, 73)),
    left_brow=_span(33, 41),
    right_brow=_span(42, 50),
    mouth_corners=(76, 82),
    lips=((89, 95), (90, 94), (91, 93)),
    upper_brows=(*_span(33, 37), *_span(42, 46)),
    nose_tip=54,
    nose_base=57,
    pupils=(96, 97),
    rigid=(0, 2, 30, 32, 37, 38, 42, 50, *_span(51, 59), 60, 64, 68, 72),
    template=_span(0, 97),
)

# 300-W point i lies at this WFLW point (peers of both layouts agree to sub-pixel differences)
IBUG68_IN_WFLW98 = (
    *range(0, 33, 2),
    *_span(33, 37),
    *_span(42, 46),
    *_span(51, 59),
    60,
    61,
    63,
    64,
    65,
    67,
    68,
    69,
    71,
    72,
    73,
    75,
    *_span(76, 95),
)

IBUG68 = Scheme(
    name="300w-68",
    size=68,
    mirror=(
        *_span(16, 0),
        *_span(26, 17),
        *_span(27, 30),
        *_span(35, 31),
        45,
        44,
        43,
        42,
        47,
        46,
        39,
        38,
        37,
        36,
        41,
        40,
        *_span(54, 48),
        *_span(59, 55),
        *_span(64, 60),
        *_span(67, 65),
    ),
    parts={
        "all": _span(0, 67),
        "contour": _span(0, 16),
        "brows": _span(17, 26),
        "eyes": _span(36, 47),
        "nose": _span(27, 35),
        "mouth": _span(48, 67),
    },
    left_eye=_span(36, 41),
    right_eye=_span(42, 47),
    left_corners=(36, 39),
    right_corners=(42, 45),
    lids=((37, 41), (38, 40), (43, 47), (44, 46)),
    left_brow=_span(17, 21),
    right_brow=_span(22, 26),
    mouth_corners=(48, 54),
    lips=((61, 67), (62, 66), (63, 65)),
    upper_brows=_span(17, 26),
    nose_tip=30,
    nose_base=33,
    pupils=None,
    rigid=(0, 1, 15, 16, 21, 22, *_span(27, 35), 36, 39, 42, 45),
    template=IBUG68_IN_WFLW98,
)


def scheme_of(size: int) -> Scheme:
    """The scheme with this many points; raises ValueError when there is none."""
    for scheme in (WFLW98, IBUG68):
        if scheme.size == size:
            return scheme
    raise ValueError(f"no landmark scheme has {size} points; 98 (WFLW) and 68 (300-W) are known")
