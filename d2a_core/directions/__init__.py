"""CluDistiller: sampled faces, clusters, directions, and sliders made of them."""
