"""The paper's own tables, and the words of the report beside them.

The paper is Chen et al., D²Animator, ACM MM '22, doi 10.1145/3503161.3548002; its rows stand here digit for
digit.
"""

from d2a_core.config import BASELINES
from d2a_core.evaluation.protocols import CROSS, FINETUNING, SELF, SEQUENCE

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

MEANINGS = (  # of BASELINES: what each is, and how its row must come out
    (
        "returns the source unchanged",
        "full likeness (CSIM 1) and the error of no motion at all: a larger NME is motion the wrong way",
    ),
    (
        "returns the target",
        "no error (NME 0) at the likeness of a stranger: a CSIM near this one keeps nothing of the source",
    ),
    (
        "returns noise",
        "no face found: figures that come out all the same would mean nothing",
    ),
)
CONTROLS = dict(zip(BASELINES, MEANINGS, strict=True))

PROTOCOLS_HERE = {
    CROSS: "source i behind target i; all are different people (paper, section 4.1)",
    SELF: "the target is an augmentation of the source's own code, so the result is known",
    SEQUENCE: "the first sources behind frames of clips (paper, section 4.2)",
    FINETUNING: "the first sources behind targets of their own, each by a network tuned on it (4.3)",
}
