from ml_pipeline.drift import chi_square, domain_classifier, fisher_exact, kolmogorov_smirnov, mann_whitney
from ml_pipeline.drift.comparison import Detector

NUMBER = "number"
CATEGORY = "category"
TEXT = "text"
SHARE = "share"
LOSS = "loss"

DETECTORS = {
    NUMBER: Detector(kolmogorov_smirnov.compare, unit="PSI", warning=0.1, critical=0.25),
    CATEGORY: Detector(chi_square.compare, unit="PSI", warning=0.1, critical=0.25),
    TEXT: Detector(domain_classifier.compare, unit="PSI", warning=0.1, critical=0.25),
    # PSI hardly sees a rare label: .11 to .22, twice as many, is .09.
    SHARE: Detector(fisher_exact.compare, unit="share of conversations", warning=0.01, critical=0.1),
    LOSS: Detector(mann_whitney.compare, unit="growth of the mean loss", warning=0.1, critical=0.25),
}
"""What compares values of a kind. Being listed here is what gets a detector tested (tests/contracts)."""
