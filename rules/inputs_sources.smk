"""Inputs of sources: which photo, which networks, which poses."""

STARTS = [ENCODER] if config["inversion"]["method"] in ("encoder", "hfgi") else []
CONSULTATION = (
    ["results/inversion/hfgi.pt"] if config["inversion"]["method"] == "hfgi" else []
)
MORPHS = [
    f"results/morphs/{morph['source']}--{morph['name']}.mp4"
    for morph in config["morphs"]
]


def seeded_of(wildcards):
    """Config of a source face that the generator makes up."""
    return named(config["sources"], wildcards.seeded)


def photo_of(wildcards):
    """Config of a source face on a photo: the user's, one of a data set, or the first frame of a clip."""
    if wildcards.photo in EVALUATED_PHOTOS:
        image = EVALUATED_PHOTOS[wildcards.photo]
        return {"name": wildcards.photo, "image": image, "face": 0}
    return named(config["sources"], wildcards.photo)


def image_of(wildcards):
    """File of a photo."""
    return photo_of(wildcards)["image"]


def pasted_faces(wildcards):
    """Sources whose faces are put back into a photo: its own, or one for every face that the config names on it."""
    if wildcards.pasted == "paste-back":
        return [wildcards.photo]
    image = image_of(wildcards)
    same = [entry for entry in config["sources"] if entry.get("image") == image]
    faces = {max(1, entry["face"]): entry["name"] for entry in same}
    return list(faces.values()) or [wildcards.photo]


def alignments_of_pasted(wildcards):
    """Crops of the faces that are put back into a photo."""
    names = pasted_faces(wildcards)
    return [f"results/sources/{name}/alignment.json" for name in names]


def landmarks_of_pasted(wildcards):
    """Their landmarks at rest."""
    names = pasted_faces(wildcards)
    return [f"results/sources/{name}/landmarks.parquet" for name in names]


def videos_of_pasted(wildcards):
    """Their animations."""
    names = pasted_faces(wildcards)
    return [f"results/animations/{name}--{wildcards.clip}.mp4" for name in names]


def latents_of_pasted(wildcards):
    """What was asked of these."""
    names = pasted_faces(wildcards)
    return [
        f"results/animations/{name}--{wildcards.clip}.latents.zarr" for name in names
    ]


def tuning_of(wildcards):
    """The generator tuned to a photo; a source from a seed needs none."""
    tuned = f"results/sources/{wildcards.source}/tuning.pt"
    return [tuned] if wildcards.source in [*PHOTOS, *EVALUATED_PHOTOS] else []


def consultation_of(wildcards):
    """Networks that put back what the code of a photo cannot hold, where the config asks for them."""
    return CONSULTATION if wildcards.source in [*PHOTOS, *EVALUATED_PHOTOS] else []


def fans_of(wildcards):
    """Checkpoints that drive a source: its own where the config asks for them, else the base ones."""
    tuned = {"all": SOURCES, "photos": PHOTOS, "none": []}
    own = wildcards.source in tuned[config["fan"]["finetune"]["sources"]]
    groups = (
        ["pose", "expression"] if config["animations"]["fan"] == "groups" else ["all"]
    )
    return [
        (
            f"results/fan/{group}/{wildcards.source}.pt"
            if own
            else f"{DISTILLED}/fan/{group}/base.pt"
        )
        for group in groups
    ]


def morph_of(wildcards):
    """Config of a morph."""
    return named(config["morphs"], wildcards.morph)


def pose_of(name, source):
    """Landmarks of a pose: of a source that is a seed or moves itself, of another photo, or of a clip."""
    if name in (source, *SEEDED):
        return f"results/sources/{name}/landmarks.parquet"
    return (
        f"results/sources/{name}/pose.parquet"
        if name in PHOTOS
        else f"results/driving/{name}.parquet"
    )


def start_of(wildcards):
    """Landmarks of the pose that a morph starts from."""
    return pose_of(morph_of(wildcards)["start"], wildcards.source)


def end_of(wildcards):
    """Landmarks of the pose that a morph leads to."""
    return pose_of(morph_of(wildcards)["end"], wildcards.source)
