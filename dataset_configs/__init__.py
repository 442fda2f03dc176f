"""One dataset configuration a file; installed as ``recbole_xlrec.dataset_configs``, which takes this file to be found."""
