"""CluDistiller, step 2: landmarks of the sampled faces."""


rule detect_landmarks:
    """Detect facial points and head pose on every image of one shard."""
    input:
        images=images_of,
        models=FACE_MODELS,
    output:
        table="results/landmarks/{shard}.parquet",
    log:
        "results/logs/detect_landmarks/{shard}.log",
    benchmark:
        "results/benchmarks/detect_landmarks/{shard}.tsv"
    priority: TOWARDS_FAN
    group:
        "landmarks"
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(30),
    params:
        landmarks=config["landmarks"],
        core=core_digest("detect_landmarks"),
    script:
        "../workflow_scripts/detect_landmarks.py"


rule measure_reference:
    """Measure where a typical sampled face lies, and how alike strangers are."""
    input:
        images=illustrated(SHARDS[0]),
        identity=IDENTITY,
        landmarks=LANDMARK_TABLES,
    output:
        reference=directory(TRAINED_REFERENCE),
    log:
        "results/logs/measure_reference.log",
    benchmark:
        "results/benchmarks/measure_reference.tsv"
    priority: TOWARDS_VIDEO
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(10),
    params:
        core=core_digest("measure_reference"),
    script:
        "../workflow_scripts/measure_reference.py"
