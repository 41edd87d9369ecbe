"""Fields for ParaView: a ``.vtu`` for one state, a ``.pvd`` with a folder of them for several times.

Time is days since 1970-01-01. The two components of a vector are there by themselves and together, as ``siu_siv``.
"""

from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.io.export.placement import FieldLayout
from gensim_graph.io.export.vtu import VtuField, write_pvd, write_vtu
from gensim_graph.io.fields import Fields
from gensim_graph.system import write_atomically

_EPOCH = np.datetime64("1970-01-01", "ns")


def write_states(fields: Fields, layout: FieldLayout, target: FilePath, on_record: Callable[[], object]) -> None:
    """Write ``.vtu`` or ``.pvd``; the folder of a ``.pvd`` has its name without the suffix.

    Raises:
        InputError: several members or trajectories, several times for a ``.vtu``, or a folder of something else.
    """
    single = target.suffix.lower() == ".vtu"
    sizes = {name: fields.dataset.sizes[name] for name in fields.leading if single or name != fields.record}
    several = [name for name, size in sizes.items() if size > 1]

    if several:
        name, remedy = several[0], ", or write a .pvd" if several[0] == fields.record else ""
        raise InputError(
            f"{target}: a file of VTK holds one state, these are {sizes[name]} along '{name}'; choose one "
            f"(--select {name}=0, or isel){remedy}"
        )

    if single:
        write_atomically(target, lambda place: _write_state(place, fields, layout, 0))
        on_record()
        return

    _write_collection(fields, layout, target, on_record)


def _write_collection(fields: Fields, layout: FieldLayout, target: FilePath, on_record: Callable[[], object]) -> None:
    folder = target.with_suffix("")
    if folder.exists() and not (folder.is_dir() and all(file.suffix == ".vtu" for file in folder.iterdir())):
        raise InputError(f"{folder}: is in the way, the files of {target.name} would go there; choose another name")

    def write_all(place: FilePath) -> None:
        place.mkdir()
        for number in range(fields.n_records):
            _write_state(place / f"{number:05d}.vtu", fields, layout, number)
            on_record()

    write_atomically(folder, write_all)
    names = {_days(fields, number): f"{folder.name}/{number:05d}.vtu" for number in range(fields.n_records)}
    write_atomically(target, lambda place: write_pvd(place, names))


def _write_state(path: FilePath, fields: Fields, layout: FieldLayout, number: int) -> None:
    assert layout.mesh is not None
    values = layout.bring(fields.read_all(slice(number, number + 1)))
    places: dict[str, dict[str, VtuField]] = {"face": {}, "node": {}}

    for one in fields.variables:
        (where,) = layout.dims[fields.location(one)]
        places[where][one.name] = VtuField(values[one.name].ravel(), _shown(one.units))

    for first, second in fields.vectors:
        (where,) = layout.dims[fields.location(first)]
        x, y = values[first.name].ravel(), values[second.name].ravel()
        vector = np.stack([x, y, np.zeros_like(x)], axis=1)
        places[where][f"{first.name}_{second.name}"] = VtuField(vector, _shown(first.units))

    write_vtu(path, layout.mesh, places["face"], places["node"], _days(fields, number))


def _shown(units: str) -> str:
    return "" if units == "1" else units


def _days(fields: Fields, number: int) -> float:
    """Time of a record; its number where there are no times."""
    name = next((name for name in ("valid_time", "time") if name in fields.dataset.coords), None)
    if name is None:
        return float(number)

    column = fields.dataset[name]
    column = column.isel({dim: number if dim == fields.record else 0 for dim in column.dims})
    return float((column.values.astype("datetime64[ns]") - _EPOCH) / np.timedelta64(1, "D"))
