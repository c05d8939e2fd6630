"""The three ways in which the paper trains its classifier: which weights it starts from, and which it may change.

`scratch` (CL_scratch): the encoder was not pretrained. `freeze` (CL_freeze): the pretrained encoder stays as it is.
`transfer` (CL_transfer): the pretrained encoder is trained further.
"""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from abs_index.networks.paper.network import Classifier

Regime = Literal["scratch", "freeze", "transfer"]
REGIMES: tuple[Regime, ...] = get_args(Regime)


def needs_pretraining(regime: Regime) -> bool:
    """Whether the encoder's first weights are those of a pretrained autoencoder."""
    return regime != "scratch"


def apply_regime(network: Classifier, regime: Regime) -> None:
    """Says which parameters learn, from now on: see `trained_parameters`.

    A backbone that the recipe keeps as it is (`fine_tune = false`) does not learn in any regime.
    """
    for parameter in network.encoder.parameters():
        parameter.requires_grad_(parameter.requires_grad and regime != "freeze")


def trained_parameters(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that learn, in the order of the network."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def clipped_together(network: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters that learn, in groups whose gradients are clipped as one each; what the log tells is the first.

    What was added to the paper's classifier is a group of its own: in one length with the rest, a long gradient there
    would make the steps of the paper's part shorter.
    """
    parts = (network.kind, network.cmi) if isinstance(network, Classifier) else ()
    added = [trained_parameters(part) for part in parts]
    apart = {id(parameter) for group in added for parameter in group}
    return [[one for one in trained_parameters(network) if id(one) not in apart], *added]
