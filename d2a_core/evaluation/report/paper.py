"""What the report says in words: the paper's own tables, and what every figure means.

The paper is Chen et al., D²Animator, ACM MM '22, doi 10.1145/3503161.3548002; its rows stand here digit for
digit.
"""

PROTOCOLS = ("Cross-identity", "Sequence-driving")  # of table 1, each on both data sets
DATASETS = ("CelebA-HQ", "FFHQ")
METRICS = ("FID (↓)", "IS (↓)", "NME (↓)", "CSIM (↑)")  # of each data set

TABLE_1 = {  # method → protocols × data sets × metrics, as printed
    "FOMM": (
        *("100.60", "0.157", "3.60", "0.46", "126.41", "0.168", "4.31", "0.45"),
        *("114.29", "0.187", "3.79", "0.44", "144.93", "0.193", "3.80", "0.42"),
    ),
    "Bi-layer": (
        *("200.55", "0.202", "5.08", "0.43", "204.48", "0.270", "5.47", "0.34"),
        *("175.83", "0.327", "6.57", "0.40", "217.95", "0.416", "6.76", "0.36"),
    ),
    "PSP": (
        *("47.70", "0.063", "2.34", "0.28", "75.25", "0.113", "3.70", "0.22"),
        *("91.27", "0.135", "4.42", "0.25", "98.31", "0.147", "4.41", "0.16"),
    ),
    "StyleFusion": (
        *("53.05", "0.057", "4.84", "0.55", "69.22", "0.093", "5.77", "0.49"),
        *("83.03", "0.109", "5.97", "0.54", "93.81", "0.154", "5.96", "0.48"),
    ),
    "D²Animator": (
        *("44.62", "0.054", "3.60", "0.57", "53.99", "0.085", "5.05", "0.58"),
        *("69.26", "0.096", "4.71", "0.54", "79.27", "0.114", "5.52", "0.56"),
    ),
}
TABLE_2 = {  # method → NME (↓), CSIM (↑), as printed
    "w/o CluDistiller": ("4.2022", "0.5681"),
    "w/o fine-tuning": ("3.7514", "0.5663"),
    "D²Animator": ("3.6027", "0.5689"),
}

MARK = (
    "Reported by the paper on its data; other detector, identity network and data; "
    "not comparable in absolute numbers"
)
SCORE_REMARK = (
    "The paper's IS column (0.05–0.4, lower is better) cannot be an Inception Score: that is at least 1, and "
    "higher is better. What it measures is not said, so ours stands beside no number of it."
)
SAME_DATA = (
    "The paper does not name the data of its Table 2. Its last row rounds to cross-identity on CelebA-HQ in "
    "its Table 1 (NME 3.60, CSIM 0.57)."
)

CONTROLS = {  # method → what it is, and how its row must come out
    "control-source": (
        "returns the source unchanged",
        "full likeness (CSIM 1) and the error of no motion at all: a larger NME is motion the wrong way",
    ),
    "control-target": (
        "returns the target",
        "no error (NME 0) at the likeness of a stranger: a CSIM near this one keeps nothing of the source",
    ),
    "control-noise": (
        "returns noise",
        "no face found: figures that come out all the same would mean nothing",
    ),
}

PROTOCOLS_HERE = {
    "cross-identity": "source i behind target i; all are different people (paper, section 4.1)",
    "self-driving": "the target is an augmentation of the source's own code, so the result is known",
    "sequence-driving": "the first sources behind frames of clips (paper, section 4.2)",
    "fine-tuning": "the first sources behind targets of their own, each by a network tuned on it (4.3)",
}

DEFINITIONS = (  # metric, definition, source
    (
        "NME inter-ocular",
        "mean distance between the landmarks of result and target, in % of the distance between the target's "
        "outer eye corners",
        "Wu et al., WFLW, CVPR 2018",
    ),
    (
        "NME inter-pupil",
        "the same, in % of the distance between the target's pupils",
        "Sagonas et al., 300-W, 2013",
    ),
    (
        "NME box",
        "the same, in % of √(width · height) of the box around the target's landmarks",
        "Bulat and Tzimiropoulos, ICCV 2017, the paper's reference for its NME",
    ),
    (
        "NME of a part",
        "the same over the points of one part, in % of the inter-ocular distance",
        "this project",
    ),
    (
        "yaw, pitch, roll",
        "absolute difference between the angles of result and target, degrees, by a rigid fit of a 3-D face",
        "fit: Umeyama, PAMI 1991",
    ),
    (
        "mouth",
        "absolute difference in the gap of the lips, in inter-ocular distances, head turned to the front",
        "this project",
    ),
    ("eyes", "absolute difference in the gap between the lids over the width of the eye", "this project"),
    (
        "gaze",
        "distance between the pupils' offsets from the middle of the eye corners, in inter-ocular distances",
        "this project",
    ),
    (
        "CSIM",
        "cosine between the identity embeddings of source and result",
        "metric of the paper, which uses ArcFace (Deng et al., CVPR 2019)",
    ),
    (
        "CSIM of strangers",
        "cosine between source and target, where these are different people: the floor",
        "this project",
    ),
    ("CSIM of the same", "cosine between the source and its mirror image: the ceiling", "this project"),
    (
        "PSNR, MS-SSIM",
        "result against the picture that should come out, at 256 px; only self-driving knows it",
        "Wang et al., Asilomar 2003",
    ),
    ("step error", "‖Δw − Δw*‖² / ‖Δw*‖² where the true latent step Δw* is known", "this project"),
    (
        "FID",
        "Fréchet distance between Gaussians fitted to Inception features of results and of real pictures",
        "Heusel et al., NeurIPS 2017",
    ),
    (
        "KID",
        "squared maximum mean discrepancy of the same features, cubic kernel, times 1000; ± over subsets",
        "Bińkowski et al., ICLR 2018",
    ),
    (
        "IS",
        "exp of the mean divergence between the classes that Inception sees in one picture and in all",
        "Salimans et al., NeurIPS 2016",
    ),
    ("IS − IS of real", "the Inception Score less that of real pictures: 0 is best", "this project"),
    (
        "jitter",
        "mean second difference of the landmarks along time, in % of the inter-ocular distance",
        "this project",
    ),
    (
        "correlation",
        "Pearson's r along time between result and driver, for yaw and openings of mouth and eyes",
        "this project",
    ),
)
