"""Values that the paper gives (Otto, Holzki, Ewerth 2019), for the tables that stand beside ours."""

from __future__ import annotations

from abs_index.training.regimes import Regime

NOT_AT_HAND = "not at hand"
"""In the place of a value of the paper that we do not know."""

ARTICLES, PAIRS = 8_674, 288_057
PRETRAINING = "360,000 steps of 15 pairs"
CLASSIFIER = "about 70,000 steps"
TEST_PAIRS_OF_A_CLASS = 100

ACCURACY: dict[Regime, float] = {"scratch": 0.7700, "freeze": 0.7733, "transfer": 0.8033}
"""On its test pairs, of which each class has the same number."""
