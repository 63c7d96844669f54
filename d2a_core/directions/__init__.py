"""CluDistiller: sampled faces, clusters, and directions."""
