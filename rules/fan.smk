"""AugDistiller, step 2: the facial action network, on pairs (equations 3 to 5) and in image space."""

PAIR_TRAINING = without(config["fan"], "finetune", "groups", "image", "loss", "weights")
# The FAN of equation 5, and the one that goes on from it in image space; `base` is the one that is used.
LATENT_FAN, IMAGE_FAN = (
    ("latent", "base") if config["fan"]["loss"] == "image" else ("base", "image")
)
LATENT_OWN, IMAGE_OWN = (
    (".latent", "") if config["fan"]["loss"] == "image" else ("", ".image")
)


rule train_fan:
    """Train FAN on all pairs of a group; a killed run goes on where it stopped."""
    input:
        directions=TRAINED_DIRECTIONS,
        pairs=expand("results/pairs/{{group}}/{shard}.zarr", shard=PAIR_SHARDS),
    output:
        checkpoint=f"results/fan/{{group}}/{LATENT_FAN}.pt",
        history=f"results/fan/{{group}}/{LATENT_FAN}.history.parquet",
        curve=report(
            f"results/fan/{{group}}/{LATENT_FAN}.loss.png",
            category="Training",
            labels={"group": "{group}", "figure": "loss on pairs"},
        ),
    log:
        "results/logs/train_fan/{group}.log",
    benchmark:
        "results/benchmarks/train_fan/{group}.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3500),
        runtime=more(120),
    params:
        fan=PAIR_TRAINING,
        core=core_digest("train_fan"),
    script:
        "../workflow_scripts/train_fan.py"


rule train_fan_in_image_space:
    """Train the FAN of a group on, by what its steps do to pictures; a killed run goes on."""
    input:
        generator=GENERATOR,
        draft=TRAINED_DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=TRAINED_DIRECTIONS,
        goals=expand("results/goals/{{group}}/{shard}.zarr", shard=GOAL_SHARDS),
        fan=f"results/fan/{{group}}/{LATENT_FAN}.pt",
    output:
        checkpoint=f"results/fan/{{group}}/{IMAGE_FAN}.pt",
        history=f"results/fan/{{group}}/{IMAGE_FAN}.history.parquet",
        curve=report(
            f"results/fan/{{group}}/{IMAGE_FAN}.loss.png",
            category="Training",
            labels={"group": "{group}", "figure": "loss in image space"},
        ),
    log:
        "results/logs/train_fan_in_image_space/{group}.log",
    benchmark:
        "results/benchmarks/train_fan_in_image_space/{group}.tsv"
    priority: TOWARDS_FAN
    threads: 2
    resources:
        mem_mb=more(4000),
        runtime=more(300),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        image=config["fan"]["image"],
        core=core_digest("train_fan_in_image_space"),
    script:
        "../workflow_scripts/train_fan_in_image_space.py"


rule finetune_fan:
    """Continue the FAN of a group with one source's code fixed, and measure what that brought."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan=f"results/fan/{{group}}/{LATENT_FAN}.pt",
        tuning=tuning_of,
        code="results/sources/{source}/inversion.zarr",
        landmarks="results/sources/{source}/landmarks.parquet",
    output:
        checkpoint=f"results/fan/{{group}}/{{source}}{LATENT_OWN}.pt",
        history=f"results/fan/{{group}}/{{source}}{LATENT_OWN}.history.parquet",
        comparison=f"results/fan/{{group}}/{{source}}{LATENT_OWN}.comparison.parquet",
        curve=report(
            f"results/fan/{{group}}/{{source}}{LATENT_OWN}.loss.png",
            category="Training",
            labels={"group": "{group}", "figure": "fine-tuning of {source}"},
        ),
    log:
        "results/logs/finetune_fan/{group}-{source}.log",
    benchmark:
        "results/benchmarks/finetune_fan/{group}-{source}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        fan=PAIR_TRAINING,
        finetune=config["fan"]["finetune"],
        core=core_digest("finetune_fan"),
    script:
        "../workflow_scripts/finetune_fan.py"


rule finetune_fan_in_image_space:
    """Continue the FAN of a group in image space around one source, and measure what that brought."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        directions=DIRECTIONS,
        fan=f"{DISTILLED}/fan/{{group}}/{IMAGE_FAN}.pt",
        targets=LANDMARK_TABLES[0],
        tuning=tuning_of,
        code="results/sources/{source}/inversion.zarr",
        landmarks="results/sources/{source}/landmarks.parquet",
    output:
        checkpoint=f"results/fan/{{group}}/{{source}}{IMAGE_OWN}.pt",
        history=f"results/fan/{{group}}/{{source}}{IMAGE_OWN}.history.parquet",
        comparison=f"results/fan/{{group}}/{{source}}{IMAGE_OWN}.comparison.parquet",
        curve=report(
            f"results/fan/{{group}}/{{source}}{IMAGE_OWN}.loss.png",
            category="Training",
            labels={"group": "{group}", "figure": "fine-tuning of {source}"},
        ),
    log:
        "results/logs/finetune_fan_in_image_space/{group}-{source}.log",
    benchmark:
        "results/benchmarks/finetune_fan_in_image_space/{group}-{source}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(3500),
        runtime=more(60),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        loss=STEPS_LOSS,
        image=config["fan"]["image"],
        finetune=config["fan"]["finetune"],
        core=core_digest("finetune_fan_in_image_space"),
    script:
        "../workflow_scripts/finetune_fan_in_image_space.py"
