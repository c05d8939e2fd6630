"""The network of the paper (Otto, Holzki, Ewerth 2019): an autoencoder of image and text, and a classifier on it."""
