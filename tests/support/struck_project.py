"""A project in which every rule is struck once, and which is run until it is whole."""

import json
from collections import Counter
from dataclasses import dataclass, field

import stylegan2_checkpoints
import yaml
from faulty_project import FaultyProject

UMASK = 0o027
MOST_ROUNDS = 30
FIRST_FRAME = "results/animations/performance-first-frame--performance"
TARGETS = [
    "all",
    "results/evaluation/report.html",
    "results/evaluation/pairs.png",
    f"{FIRST_FRAME}--paste-back.mp4",
    f"{FIRST_FRAME}--frames",
    "results/sources/performance-first-frame/pose.parquet",
    "results/fan/all/performance-first-frame.latent.pt",  # by the loss that is not the default
    "results/fan/all/performance-first-frame.pt",
]
PACKED = "results/bundle/mobilestylegan-ffhq.safetensors"
INPUT_TARGETS = [
    "results/driving/table.parquet",
    "results/driving/both.parquet",
    "results/evaluation/disentanglement.md",
    PACKED,
    "results/controls/controls.png",
    "results/footage/performance.zarr",
    "results/footage/performance--both--side-by-side.mp4",
    "results/footage/performance--both.figures.parquet",
    "results/evaluation/faces/photos.parquet",
]
MOMENTS = {
    "convert_generator": "half",
    "fit_draft": "inside",
    "sample_latents": "inside",
    "detect_landmarks": "half",
    "measure_reference": "inside",
    "cluster_landmarks": "between",
    "collect_directions": "between",
    "draw_gallery": "named",
    "measure_controls": "between",
    "augment_latents": "half",
    "draw_goals": "half",
    "train_fan": "resumable",
    "train_fan_in_image_space": "between",
    "finetune_fan": "between",
    "finetune_fan_in_image_space": "between",
    "train_encoder": "between",
    "train_hfgi": "half",
    "pack_bundle": "half",
    "unpack_bundle": "between",
    "sample_source": "between",
    "align_source": "between",
    "detect_pose": "half",
    "invert_source": "between",
    "perform_driver": "half",
    "track_driving": "last",
    "import_driving": "between",
    "combine_driving": "between",
    "morph": "between",
    "animate": "between",
    "compare_motion": "between",
    "measure_animation": "half",
    "paste_back": "half",
    "extract_frames": "inside",
    "draw_pairs": "last",
    "hold_out_faces": "inside",
    "gather_faces": "between",
    "take_frames": "between",
    "animate_pairs": "between",
    "measure_disentanglement": "between",
    "invert_cast": "between",
    "invert_footage": "between",
    "animate_footage": "between",
    "compare_footage": "between",
    "measure_footage": "half",
    "make_baselines": "half",
    "score_frames": "half",
    "evaluate_first_pairs": "between",
    "fetch_inception": "named",
    "measure_realism": "named",
    "summarize_evaluation": "between",
    "summarize_ablations": "between",
    "show_pairs": "half",
    "hold_out_source": "between",
    "take_first_frame": "half",
    "collect_videos": "last",
    "write_report": "half",
}


@dataclass
class Struck:
    """A project whose rules were struck once each, and what was seen of its runs."""

    project: FaultyProject
    planned: Counter = field(default_factory=Counter)
    rounds: list[tuple[int, str]] = field(default_factory=list)

    def run(self, *targets):
        """Run Snakemake until it succeeds, as a user would who starts it again each time."""
        self.planned += self.project.planned(*targets, umask=UMASK) - Counter(all=1)
        for _ in range(MOST_ROUNDS):
            code, said = self.project.snakemake("--keep-going", "--cores=4", targets=targets, umask=UMASK)
            self.rounds.append((code, said))
            if code == 0:
                return
        raise AssertionError(self.rounds[-1][1][-6000:])

    def finishers(self):
        """Rules whose worker had finished something when it was struck."""
        folder = self.project.state / "digests"
        return {path.stem for path in folder.glob("*.json") if json.loads(path.read_text())}

    def finished_before(self):
        """Digests of what workers had finished when they were struck, by path."""
        found = {}
        for path in (self.project.state / "digests").glob("*.json"):
            found |= json.loads(path.read_text())
        return found


def prepare(folder):
    """Leave out ablations, which run rules that run anyway, and add a checkpoint to convert."""
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["evaluation"] |= {"ablations": {}, "scaling": {"latents_shards": [], "pairs_shards": []}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    network = stylegan2_checkpoints.network()
    (folder / "network.pkl").write_bytes(stylegan2_checkpoints.nvidia(network))
