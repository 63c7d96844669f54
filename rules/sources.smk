"""Faces to animate: made up from a seed, or on a photo."""


rule sample_source:
    """Render the face of one seed and detect its landmarks."""
    input:
        generator=GENERATOR,
        models=FACE_MODELS,
    output:
        image="results/sources/{seeded}/aligned.png",
        code=directory("results/sources/{seeded}/inversion.zarr"),
        landmarks="results/sources/{seeded}/landmarks.parquet",
    log:
        "results/logs/sample_source/{seeded}.log",
    benchmark:
        "results/benchmarks/sample_source/{seeded}.tsv"
    priority: TOWARDS_VIDEO
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(15),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        source=seeded_of,
        core=core_digest("sample_source"),
    script:
        "../workflow_scripts/sample_source.py"


rule align_source:
    """Find the face on a photo and crop it as the faces of the generator lie."""
    input:
        image=image_of,
        models=FACE_MODELS,
        reference=REFERENCE,
    output:
        image="results/sources/{photo}/aligned.png",
        alignment="results/sources/{photo}/alignment.json",
    log:
        "results/logs/align_source/{photo}.log",
    benchmark:
        "results/benchmarks/align_source/{photo}.tsv"
    priority: TOWARDS_VIDEO
    retries: 0  # what it refuses, it refuses again
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(10),
    params:
        landmarks=config["landmarks"],
        photo=photo_of,
        core=core_digest("align_source"),
    script:
        "../workflow_scripts/align_source.py"


rule detect_pose:
    """Detect the pose on an aligned photo that another face is to take."""
    input:
        image="results/sources/{photo}/aligned.png",
        models=FACE_MODELS,
    output:
        landmarks="results/sources/{photo}/pose.parquet",
    log:
        "results/logs/detect_pose/{photo}.log",
    benchmark:
        "results/benchmarks/detect_pose/{photo}.tsv"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    params:
        landmarks=config["landmarks"],
        core=core_digest("detect_pose"),
    script:
        "../workflow_scripts/detect_pose.py"


rule invert_source:
    """Find the code of an aligned photo, and tune the generator to it if asked to."""
    input:
        photo="results/sources/{photo}/aligned.png",
        generator=GENERATOR,
        draft=DRAFT,
        models=FACE_MODELS,
        identity=IDENTITY,
        reference=REFERENCE,
        encoder=STARTS,
        consultation=CONSULTATION,
    output:
        code=directory("results/sources/{photo}/inversion.zarr"),
        tuning="results/sources/{photo}/tuning.pt",
        landmarks="results/sources/{photo}/landmarks.parquet",
        figures="results/sources/{photo}/inversion.parquet",
        picture=report(
            "results/sources/{photo}/reconstruction.png",
            category="Sources",
            labels={"source": "{photo}", "figure": "reconstruction"},
        ),
    log:
        "results/logs/invert_source/{photo}.log",
    benchmark:
        "results/benchmarks/invert_source/{photo}.tsv"
    priority: TOWARDS_VIDEO
    threads: 2
    resources:
        mem_mb=more(6000),
        runtime=more(30),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        landmarks=config["landmarks"],
        inversion=config["inversion"],
        core=core_digest("invert_source"),
    script:
        "../workflow_scripts/invert_source.py"
