"""The commands about places where datasets are: folders, packs and buckets."""
