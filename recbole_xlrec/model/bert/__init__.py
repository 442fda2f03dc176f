"""The parts of XLBERT: texts as tokens, the language model and what of it is trained, its two forms, augmentation."""
