"""Names the packages, which setup.cfg cannot: its `find:` does not see dataset_configs/, beside recbole_xlrec."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["recbole_xlrec", "recbole_xlrec.*"]), "recbole_xlrec.dataset_configs"])
