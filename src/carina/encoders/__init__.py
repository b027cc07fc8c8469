"""Networks without an objective: ResNet, ViT, BERT, the query decoder."""
