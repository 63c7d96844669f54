"""Contract of a generator's two networks, a mapping and a synthesis of any architecture."""

from collections.abc import Sequence

from torch import Tensor, nn

Consultation = tuple[Tensor, Tensor]  # scale and shift of a hidden map, [N, C, 64, 64] each (HFGI)


class Mapper(nn.Module):
    """z [N, z_dim] → w [N, w_dim]. `w_avg` is the mean of w that training tracked, None where unknown."""

    z_dim: int
    w_avg: Tensor | None


class Synthesizer(nn.Module):
    """W+ [N, num_layers, w_dim], size and maybe a consultation → image [N, 3, size, size].

    `fast_runtime` is what runs it fastest on a CPU, `steps_in_bfloat16` whether gradients of its hidden maps
    are good enough in bfloat16. The properties tell what differs from network to network.
    """

    resolution: int
    num_layers: int
    w_dim: int
    fast_runtime: str
    steps_in_bfloat16 = False

    @property
    def sizes(self) -> Sequence[int]:
        """Sides of the images that it draws, in px."""
        raise NotImplementedError

    @property
    def consulted_shape(self) -> tuple[int, int, int] | None:
        """Shape (C, 64, 64) of the map that a consultation refines, styled by layer 7; None without one."""
        raise NotImplementedError

    @property
    def tunable(self) -> Sequence[str]:
        """Names of the weights that pivotal tuning may change."""
        raise NotImplementedError

    def hidden(self, wplus: Tensor, blocks: int, consultation: Sequence[Tensor] = ()) -> Tensor:
        """Feature map after `blocks` doublings: [N, C, 4·2^blocks, same]."""
        raise NotImplementedError

    def consulted(self, wplus: Tensor) -> Tensor:
        """The map that a consultation refines, [N, *consulted_shape]."""
        raise NotImplementedError

    def style_weights(self, layers: int) -> Tensor:
        """Weights [C, w_dim] of the styles that the first `layers` layers of W+ make."""
        raise NotImplementedError
