"""What tables, figures and quantities are called where they are shown."""

from __future__ import annotations

NAMES = {
    "f1_micro": "micro-F1",
    "f1_macro": "macro-F1",
    "mmd2": "MMD²",
    "frechet": "Fréchet distance",
    "label_consistency": "label consistency",
    "gain": "gain over real only",
    "controlled_gain": "gain over duplicates to match",
    "step_matched_gain": "gain over as many steps on real only",
    "gain_over_reweighting": "gain over focal loss on real only",
    "over_reveal": "gain over the documents that the generator saw",
}
TITLES = {
    "claims": "Claims",
    "problems": "Runs that are not analysed",
    "scores_f1_micro": "Micro-F1 by arm",
    "scores_f1_macro": "Macro-F1 by arm",
    "gains_f1_micro": "Gains in micro-F1",
    "gains_f1_macro": "Gains in macro-F1",
    "without_twin": "Augmented runs without a twin",
    "comparisons": "Paired comparisons on the same documents",
    "aggregates": "Aggregates over cells",
    "fidelity_points": "Synthetic corpora: fidelity and gain",
    "generator_gains": "Gains over all generators",
    "fidelity_correlations": "Fidelity against gain",
    "regime_differences": "Do regimes differ?",
    "influence": "Without one generator",
    "shares": "Score against the share of real documents",
    "best_shares": "The best share",
    "learning": "Learning curves",
    "orderings": "Orderings",
    "leakage": "Leakage controls",
    "retrieval": "Retrieval before and after training",
    "parameters": "Trained parameters",
    "variance_components": "Where the spread over seeds comes from",
    "published": "Published numbers, and ours",
    "recomputed": "Published correlations, recomputed",
}
CAPTIONS = {
    "arms": "Score of each arm, mean over seeds with 95% intervals (Student's t)",
    "fidelity": "Fidelity of each synthetic corpus and what it gained, with the 95% band of the fitted line",
    "shares": "Score against the share of real documents at a fixed budget; below, the interval of the best share",
    "learning": "Score against the number of real training documents",
    "orderings": "Orderings of the mix",
    "leakage": "Controls for what the names of labels give away",
    "retrieval": "nDCG@10 of the backbone's vectors before and after training",
    "parameters": "Score against trained parameters",
    "per_label": "F1 of each label",
    "calibration": "Predicted probabilities against frequencies",
}
