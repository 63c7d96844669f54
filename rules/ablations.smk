"""Ablations (paper, Table 2 and more): the same rules with another config, sharing what stays the same."""

for ABLATION, VARIANT in VARIANTS.items():

    module:
        name: ABLATION
        snakefile:
            "variant.smk"
        config:
            VARIANT | {"stages": OWN_STAGES[ABLATION]}
        replace_prefix:
            {
                f"results/{folder}/": f"results/ablations/{ABLATION}/{folder}/"
                for folder in (*OWN_STAGES[ABLATION], "logs", "benchmarks")
            }

    PREFIX = f"{ABLATION}_"

    use rule * from ABLATION as PREFIX*
