"""One dataset configuration a file; with this file here they install as ``recbole_xlrec.dataset_configs``."""
