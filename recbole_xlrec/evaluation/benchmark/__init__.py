"""``recbole-xlrec benchmark``: a grid of datasets, models, protocols and seeds from one file and one command.

`reading` reads a suite, `plan` expands and checks it, `runner` makes the runs in processes of their own, `search`
chooses hyper-parameters, `manifest` keeps the state on disk, `tables` shows the results.
"""
