"""From a sample of the images to findings: cues, where the net looks, counterfactuals, decisions."""
