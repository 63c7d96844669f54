"""The figures of the evaluation, one row each: names, units, digits and meaning.

Both renderers and the list of definitions read these rows. A new figure is a row here, and a formula under
the same key in `scores` or `realism`. These import no row: a better word measures nothing anew.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import SupportsFloat, TypeGuard

from d2a_core.evaluation.protocols import SELF

Row = Mapping[str, object]  # of a table
LOW, HIGH = "↓", "↑"  # the better end
NOTHING = "–"  # where there is no figure


@dataclass(frozen=True)
class Figure:
    """A figure of a table: the column `key`, shown times `scale` with `digits` behind the point.

    `better` is LOW, HIGH or empty, `protocol` the only one that knows the figure, empty for all. `brief`: it
    stands in Markdown; `main`: in the page's first table rather than in that of details; `spread`: the column
    `{key}_std` belongs to it; `signed`: a plus is written. `definition` and its `source` speak of all figures
    of a `family`, or of this one.
    """

    key: str
    title: str
    unit: str = ""
    digits: int = 3
    scale: float = 1.0
    better: str = ""
    brief: bool = False
    main: bool = False
    spread: bool = False
    signed: bool = False
    protocol: str = ""
    definition: str = ""
    source: str = "this project"
    family: str = ""

    @property
    def head(self) -> str:
        """Title and unit."""
        return f"{self.title} {self.unit}".rstrip()


def _share(key: str, title: str, **more) -> Figure:
    """A figure that is an error in percent."""
    return Figure(key, title, "%", 2, 100, LOW, **more)


def _angle(name: str, **more) -> Figure:
    return Figure(f"{name}_error", name, "°", 1, better=LOW, main=True, **more)


def _followed(name: str, title: str, **more) -> tuple[Figure, Figure]:
    """How an attribute follows what was asked for, over time."""
    return (
        Figure(f"{name}_correlation", f"{title} correlation", digits=2, better=HIGH, **more),
        Figure(f"{name}_slope", f"{title} slope", digits=2),
    )


NME = (
    _share(
        "nme_inter_ocular",
        "NME inter-ocular",
        brief=True,
        main=True,
        definition="mean distance between the landmarks of result and target, in % of the distance between "
        "the target's outer eye corners",
        source="Wu et al., WFLW, CVPR 2018",
    ),
    _share(
        "nme_dlib",
        "NME dlib",
        brief=True,
        main=True,
        definition="NME inter-ocular by a second detector, dlib's 68 points, which takes part in no stage: "
        "what pleases the first one alone is far off here. Pairs with targets on which it is astray, most of "
        "those turned by more than 30°, do not count",
        source="Kazemi and Sullivan, CVPR 2014; layout: Sagonas et al., 300-W, 2013",
    ),
    _share(
        "nme_inter_pupil",
        "NME inter-pupil",
        definition="that by the first detector, in % of the distance between the target's pupils",
        source="Sagonas et al., 300-W, 2013",
    ),
    _share(
        "nme_box",
        "NME box",
        brief=True,
        main=True,
        definition="the same, in % of √(width · height) of the box around the target's landmarks",
        source="Bulat and Tzimiropoulos, ICCV 2017, the paper's reference for its NME",
    ),
)
PARTS = (
    _share(
        "nme_contour",
        "NME contour",
        family="NME of a part",
        definition="the same over the points of one part, in % of the inter-ocular distance",
    ),
    *(_share(f"nme_{part}", f"NME {part}") for part in ("brows", "eyes", "nose", "mouth")),
)
ANGLES = (
    _angle(
        "yaw",
        brief=True,
        family="yaw, pitch, roll",
        definition="absolute difference between the angles of result and target, degrees, by a rigid fit of "
        "a 3-D face",
        source="fit: Umeyama, PAMI 1991",
    ),
    _angle("pitch", brief=True),
    _angle("roll"),
)
FEATURES = (
    Figure(
        "mouth_error",
        "mouth",
        better=LOW,
        brief=True,
        definition="absolute difference in the gap of the lips, in inter-ocular distances, head turned to "
        "the front",
    ),
    Figure(
        "eye_error",
        "eyes",
        better=LOW,
        brief=True,
        definition="absolute difference in the gap between the lids over the width of the eye",
    ),
    Figure(
        "gaze_error",
        "gaze",
        better=LOW,
        definition="distance between the pupils' offsets from the middle of the eye corners, in inter-ocular "
        "distances",
    ),
)
LIKENESS = (
    Figure(
        "csim",
        "CSIM",
        better=HIGH,
        brief=True,
        main=True,
        definition="cosine between the identity embeddings of source and result. Where FAN is trained on "
        "pictures (fan.loss: image, identity_weight above 0) dlib's network was a term of its loss; ArcFace, "
        "when given, never is",
        source="metric of the paper, which uses ArcFace (Deng et al., CVPR 2019)",
    ),
    Figure(
        "csim_strangers",
        "CSIM of strangers",
        main=True,
        definition="cosine between source and target, where these are different people: the floor",
    ),
    Figure(
        "csim_same",
        "CSIM of the same",
        main=True,
        definition="cosine between the source and its mirror image: the ceiling",
    ),
)
FIDELITY = (
    Figure(
        "psnr",
        "PSNR",
        "dB",
        1,
        better=HIGH,
        brief=True,
        protocol=SELF,
        family="PSNR, MS-SSIM",
        definition="result against the picture that should come out, at 256 px; only self-driving knows it",
        source="Wang et al., Asilomar 2003",
    ),
    Figure("ms_ssim", "MS-SSIM", better=HIGH, protocol=SELF),
)
OUTSIDE = (
    Figure(
        "psnr_outside",
        "PSNR outside",
        "dB",
        1,
        better=HIGH,
        brief=True,
        family="PSNR, SSIM outside",
        definition="result against source, at 256 px, outside both faces: the hulls of their landmarks with "
        "a forehead, 15 % larger. Of a video the mean over the frames looked at",
        source="SSIM: Wang et al., IEEE TIP 2004",
    ),
    Figure("ssim_outside", "SSIM outside", better=HIGH),
)
STEPS = (
    Figure(
        "step_error",
        "step error",
        better=LOW,
        brief=True,
        protocol=SELF,
        definition="‖Δw − Δw*‖² / ‖Δw*‖² where the true latent step Δw* is known",
    ),
)
REALISM = (
    Figure(
        "fid",
        "FID",
        digits=1,
        better=LOW,
        main=True,
        definition="Fréchet distance between Gaussians fitted to Inception features of results and of real "
        "pictures",
        source="Heusel et al., NeurIPS 2017",
    ),
    Figure(
        "kid",
        "KID",
        "× 1000",
        2,
        1000,
        LOW,
        main=True,
        spread=True,
        definition="squared maximum mean discrepancy of the same features, cubic kernel, times 1000; ± over "
        "subsets",
        source="Bińkowski et al., ICLR 2018",
    ),
    Figure(
        "is",
        "IS",
        digits=2,
        better=HIGH,
        main=True,
        spread=True,
        definition="exp of the mean divergence between the classes that Inception sees in one picture and in "
        "all",
        source="Salimans et al., NeurIPS 2016",
    ),
    Figure(
        "is_gap",
        "IS − IS of real",
        digits=2,
        main=True,
        signed=True,
        definition="the Inception Score less that of real pictures: 0 is best",
    ),
)
SCORES = (*NME, *PARTS, *ANGLES, *FEATURES, *LIKENESS, *OUTSIDE, *FIDELITY, *STEPS)  # of one pair
BY_KEY = {figure.key: figure for figure in (*SCORES, *REALISM)}
VIDEOS = (  # over time: see `animation.assessment`
    _share("nme", "NME against driver"),
    _share("nme_target", "NME against what was asked for"),
    _share(
        "nme_dlib_target",
        "NME dlib against what was asked for",
        definition="NME of a video against what its source was asked for, by the second detector; what was "
        "asked for is shifted by how far its points lie from the first one's on the photo",
    ),
    Figure("identity", "CSIM", better=HIGH),
    Figure("least_identity", "least CSIM", better=HIGH),
    Figure("identity_deviation", "CSIM deviation over frames", better=LOW),
    Figure("driver_identity", "CSIM with the driver"),
    Figure("driver_identity_source", "source's CSIM with the driver"),
    Figure("driver_strangers", "strangers' CSIM with the driver"),
    Figure("driver_strangers_high", "95 % of strangers below"),
    BY_KEY["psnr_outside"],
    _share(
        "jitter",
        "jitter",
        definition="mean second difference of the landmarks along time, in % of the inter-ocular distance",
    ),
    Figure("driver_jitter", "driver's jitter", "%", 2, 100),
    Figure(
        "flicker",
        "flicker",
        digits=2,
        better=LOW,
        definition="median over the frames of the mean absolute second difference of pixels along time, in "
        "gray levels of 255, at 256 px",
    ),
    *_followed(
        "yaw",
        "yaw",
        family="correlation, slope",
        definition="along time, between result and what the source was asked for: Pearson's r, and by how "
        "much the result changes where 1 is asked for (least squares; 1 is best). None where what is asked "
        "for stands still",
    ),
    *_followed("pitch", "pitch"),
    *_followed("mouth", "mouth"),
    *_followed("smile", "smile"),
    *_followed("left_eye", "left eye"),
    *_followed("right_eye", "right eye"),
    *_followed("brows", "brows"),
    *_followed("gaze_x", "gaze right"),
    *_followed("gaze_y", "gaze down"),
    Figure(
        "driver_yaw_correlation",
        "yaw correlation with driver",
        digits=2,
        better=HIGH,
        family="correlation with driver",
        definition="Pearson's r along time between result and driver, for yaw and openings of mouth and eyes",
    ),
    Figure("driver_mouth_correlation", "mouth correlation with driver", digits=2, better=HIGH),
    Figure("driver_eye_correlation", "eye correlation with driver", digits=2, better=HIGH),
    Figure("frames", "frames", digits=0),
    Figure("lost", "lost", digits=0),
)
# Of which methods are compared pair by pair, by the name of the difference.
COMPARED = {
    "nme": BY_KEY["nme_inter_ocular"],
    "nme_dlib": BY_KEY["nme_dlib"],
    "csim": BY_KEY["csim"],
}
REALISM_COLUMNS = tuple(
    chain.from_iterable((row.key, f"{row.key}_std") if row.spread else (row.key,) for row in REALISM)
)


def known(value: object) -> TypeGuard[SupportsFloat]:
    """Whether there is a figure: neither None nor NaN."""
    return isinstance(value, SupportsFloat) and not math.isnan(float(value))


def value(row: Row, key: str) -> float:
    """A figure of a row, NaN where there is none."""
    found = row.get(key)
    return float(found) if known(found) else math.nan


def count(row: Row, key: str) -> int:
    """A whole number of a row."""
    return int(value(row, key))


def definitions() -> Iterator[tuple[str, str, str]]:
    """Name, meaning and source of all figures, one for each family."""
    for figure in dict.fromkeys((*SCORES, *REALISM, *VIDEOS)):  # some are of pairs and of videos
        if figure.definition:
            yield figure.family or figure.title, figure.definition, figure.source
