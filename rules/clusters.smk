"""CluDistiller, step 3: k-means over facial parts.

In: all latents and landmarks. Out: for each part and k, the centroids in w and who belongs where.
"""


rule cluster_landmarks:
    """Cluster the faces by one facial part into k clusters."""
    input:
        latents=LATENT_STORES,
        landmarks=LANDMARK_TABLES,
    output:
        centroids=directory("results/clusters/{part}-k{k}.zarr"),
        table="results/clusters/{part}-k{k}.parquet",
    log:
        "results/logs/cluster_landmarks/{part}-k{k}.log",
    benchmark:
        "results/benchmarks/cluster_landmarks/{part}-k{k}.tsv"
    group:
        "clusters"
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(15),
    params:
        part="{part}",
        k="{k}",
        pose_normalisation=config["clusters"]["pose_normalisation"],
        restarts=config["clusters"]["restarts"],
        seed=config["clusters"]["seed"],
        core=core_digest("cluster_landmarks"),
    script:
        "../workflow_scripts/cluster_landmarks.py"
