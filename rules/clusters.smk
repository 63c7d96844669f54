"""CluDistiller, step 3: k-means over facial parts.

In: all latents and landmarks. Out: for each part and k, the centroids in w and who belongs where.
"""


rule cluster_landmarks:
    """Cluster the faces by each facial part into each number of clusters."""
    input:
        latents=LATENT_STORES,
        landmarks=LANDMARK_TABLES,
    output:
        centroids=list(map(directory, CENTROIDS)),
        tables=["results/clusters/" + name + ".parquet" for name in CLUSTERINGS],
    log:
        "results/logs/cluster_landmarks.log",
    benchmark:
        "results/benchmarks/cluster_landmarks.tsv"
    priority: TOWARDS_FAN
    threads: 1
    resources:
        mem_mb=more(2000),
        runtime=more(15),
    params:
        clusters=config["clusters"],
        core=core_digest("cluster_landmarks"),
    script:
        "../workflow_scripts/cluster_landmarks.py"
