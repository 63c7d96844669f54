"""CluDistiller, step 4: directions between centroids, measured, named and shown."""


rule collect_directions:
    """Collect, measure and select directions, from the clusters or by another method."""
    input:
        generator=GENERATOR,
        latents=LATENT_STORES,
        landmarks=LANDMARK_TABLES,
        clusters=CENTROIDS,
    output:
        directions=directory(TRAINED_DIRECTIONS),
        catalogue="results/directions/catalogue.parquet",
    log:
        "results/logs/collect_directions.log",
    benchmark:
        "results/benchmarks/collect_directions.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(15),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        directions=without(config["directions"], "gallery"),
        parts=list(CLUSTERINGS.values()),
        core=core_digest("collect_directions"),
    script:
        "../workflow_scripts/collect_directions.py"


rule draw_gallery:
    """Show what the strongest directions do to one face."""
    input:
        generator=GENERATOR,
        draft=DRAFT,
        directions=DIRECTIONS,
        catalogue=CATALOGUE,
    output:
        gallery=report(
            GALLERY,
            category="Directions",
            labels={"figure": "gallery"},
        ),
    log:
        "results/logs/draw_gallery.log",
    benchmark:
        "results/benchmarks/draw_gallery.tsv"
    threads: 1
    resources:
        mem_mb=more(3000),
        runtime=more(15),
    params:
        generator=DRAFTS,
        generator_sha256=ORIGIN.sha256,
        gallery=config["directions"]["gallery"],
        core=core_digest("draw_gallery"),
    script:
        "../workflow_scripts/draw_gallery.py"
