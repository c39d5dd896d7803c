"""Theory of LASER (Makkuva et al., ICML 2024), to be checked by simulation. NumPy alone.

`lemmas`: the best split of power between and within factors; `influence`: the channel's noise over
the gradient's energy; `rates`: how fast training then converges; `spectrum`: how close to low rank
a gradient is.

Lemmas 7 and 8 hold where both factors of a matrix are noisy and multiplied. The link's own modes do
not do that: `alternate` sends one factor against a noiseless basis, `both` sends the second against
the first as received. `laser_phy.power.optimal` has the best shares for those.
"""

from laser_phy.theory.influence import influence_laser, influence_laser_bound, influence_z_sgd
from laser_phy.theory.lemmas import (
    factor_split,
    product_error,
    rank_split,
    rank_split_domain,
)
from laser_phy.theory.rates import Rate
from laser_phy.theory.spectrum import top_energy

__all__ = [
    "Rate",
    "factor_split",
    "influence_laser",
    "influence_laser_bound",
    "influence_z_sgd",
    "product_error",
    "rank_split",
    "rank_split_domain",
    "top_energy",
]
