"""One sub-step of the transport: how much area crosses the sides, and what this does to amounts and properties."""

import torch

from gensim_graph.transport.corrected_fluxes import ROUNDING, limited_correction, upwind_flux
from gensim_graph.transport.linear_fit import Carrier, LinearFit
from gensim_graph.transport.sides import Sides
from gensim_graph.typing import Float, Tensor

_TRACE = 1e-9  # per area, in the unit of the carrier; with less ice than this its properties are set to 0


def crossing_area(
    sides: Sides, drift: Float[Tensor, "2 side member"], seconds: float, presses_in: bool = True
) -> Float[Tensor, "side member"]:
    r"""Return the area that crosses each side from left to right in a sub-step, m2.

    Ice that converges at the rate :math:`-\nabla \cdot u` is denser at half time by the part
    :math:`-\tfrac{\tau}{2} \nabla \cdot u`; as an area of the ice at the start of the sub-step, more crosses by the
    same part. No more area leaves a cell than it has.

    Args:
        sides: sides of the cells.
        drift: m/s at the sides, at the middle of the sub-step.
        seconds: length of the sub-step.
        presses_in: False limits what enters a cell through open boundaries to what leaves it, less what enters from
            other cells: the ice in a cell then grows no denser by ice from outside.
    """
    area = (drift * (sides.half_normals * (2.0 * seconds))).sum(dim=0)
    gain, loss = sides.gain_and_loss(area)
    if sides.n_open and not presses_in:
        area, gain = _without_pressing_in(sides, area, gain, loss)

    denser = gain.sub_(loss).div_(sides.areas).mul_(0.5).add_(1.0).clamp_(min=0.0)
    most = sides.areas * (1.0 - ROUNDING * torch.finfo(area.dtype).eps)
    tiny = 1e-6 * sides.areas

    return upwind_flux(sides, area, torch.minimum(denser, most.div_(torch.maximum(loss, tiny))))


def _without_pressing_in(sides: Sides, area: Tensor, gain: Tensor, loss: Tensor) -> tuple[Tensor, Tensor]:
    """Return the area that crosses the sides if no ice is pressed in from outside, and the gain of each cell with it.

    Args:
        sides: sides of the cells.
        area: that crosses each side.
        gain: of each cell.
        loss: of each cell.
    """
    cells = sides.left[-sides.n_open :]
    inner, through = area.split((len(area) - sides.n_open, sides.n_open))
    entering = torch.zeros_like(gain).index_add_(0, cells, -through.clamp(max=0.0))

    tiny = 1e-9 * sides.areas
    share = ((loss - gain + entering).clamp_(min=0.0) / torch.maximum(entering, tiny)).clamp_(max=1.0)
    limited = torch.where(through < 0, through * share.index_select(0, cells), through)

    return torch.cat((inner, limited)), gain - entering * (1.0 - share)


def move_amount(
    fit: LinearFit, crossing: Carrier, amount: Float[Tensor, "cell member"], keep_positive: bool = False
) -> tuple[Float[Tensor, "cell member"], Float[Tensor, "side member"]]:
    """Return an amount after the sub-step, and its fluxes through the sides from left to right.

    Args:
        fit: tables of the mesh.
        crossing: area that crosses the sides.
        amount: per area.
        keep_positive: no cell gives away more than its content before the step, even if more flows in meanwhile.
    """
    sides = fit.sides
    upwind, correction = fit.fluxes(crossing, amount)
    after_upwind = sides.gain(upwind).div_(sides.areas).add_(amount)
    remaining = _remaining(sides, amount * sides.areas, upwind) if keep_positive else None
    limited = limited_correction(sides, correction, amount, after_upwind, sides.areas, remaining)

    return sides.gain(limited).div_(sides.areas).add_(after_upwind), upwind.add_(limited)


def move_property(
    fit: LinearFit,
    carrier: Carrier,
    ice: tuple[Float[Tensor, "cell member"], Float[Tensor, "cell member"]],
    density: Float[Tensor, "cell member"],
) -> Float[Tensor, "cell member"]:
    """Return a property of the ice after the sub-step; 0 where there is next to no ice.

    Args:
        fit: tables of the mesh.
        carrier: ice that crosses the sides.
        ice: amount of ice per area before and after the sub-step.
        density: property of the ice before the sub-step.
    """
    sides = fit.sides
    before, after = (amount * sides.areas for amount in ice)
    some = (ice[1] > _TRACE).to(after.dtype)
    capacity = after * some
    inverse = some / after.clamp_(min=_TRACE)

    # Where no ice is left, the old density keeps the bounds of the neighbours as they are.
    upwind, correction = fit.fluxes(carrier, density)
    after_upwind = sides.gain(upwind).add_(before * density)
    density_after = (after_upwind * inverse).add_(density * (1.0 - some))
    limited = limited_correction(sides, correction, density, density_after, capacity)

    return sides.gain(limited).add_(after_upwind).mul_(inverse)


def _remaining(sides: Sides, content: Tensor, upwind: Tensor) -> Tensor:
    """Return the content that the upwind fluxes leave in each cell if nothing flows in.

    Args:
        sides: sides of the cells.
        content: of the cells before the sub-step.
        upwind: upwind fluxes.
    """
    return content.sub_(sides.gain_and_loss(upwind)[1]).clamp_(min=0.0)
