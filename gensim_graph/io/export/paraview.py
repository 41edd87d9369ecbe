"""Fields for ParaView: a ``.vtu`` file for a single state, or a ``.pvd`` file with a folder of them for several times.

The time is in days since 1970-01-01. A vector appears as its two components and as one vector, such as ``siu_siv``.
"""

from collections.abc import Callable
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.io.export.placement import FieldLayout
from gensim_graph.io.export.vtu import VtuField, write_pvd, write_vtu
from gensim_graph.io.fields import Fields
from gensim_graph.system import write_atomically

_UNIX_EPOCH = np.datetime64("1970-01-01", "ns")


def write_states(fields: Fields, layout: FieldLayout, target: FilePath, on_record: Callable[[], object]) -> None:
    """Write a ``.vtu`` or ``.pvd``; the folder of a ``.pvd`` has its name without the suffix.

    Args:
        fields: fields with one member or none.
        layout: layout on a mesh.
        target: path that ends in ``.vtu`` or ``.pvd``.
        on_record: function that is called after every record.

    Raises:
        InputError: several members or trajectories, several times for a ``.vtu``, or a folder with other files.
    """
    is_single = target.suffix.lower() == ".vtu"
    _check_one_state(fields, target, is_single)

    if is_single:
        write_atomically(target, lambda temporary: _write_state(temporary, fields, layout, 0))
        on_record()
    else:
        _write_collection(fields, layout, target, on_record)


def _check_one_state(fields: Fields, target: FilePath, is_single: bool) -> None:
    """Refuse dimensions with several states; a collection may have several records."""
    sizes = {name: fields.dataset.sizes[name] for name in fields.leading if is_single or name != fields.record}
    name = next((name for name, size in sizes.items() if size > 1), None)

    if name is not None:
        remedy = ", or write a .pvd" if name == fields.record else ""
        raise InputError(
            f"{target}: a file of VTK holds one state, these are {sizes[name]} along '{name}'; choose one "
            f"(--select {name}=0, or isel){remedy}"
        )


def _write_collection(fields: Fields, layout: FieldLayout, target: FilePath, on_record: Callable[[], object]) -> None:
    folder = target.with_suffix("")
    if folder.exists() and not (folder.is_dir() and all(file.suffix == ".vtu" for file in folder.iterdir())):
        raise InputError(f"{folder}: is in the way, the files of {target.name} would go there; choose another name")

    def write_all(temporary: FilePath) -> None:
        temporary.mkdir()
        for number in range(fields.n_records):
            _write_state(temporary / f"{number:05d}.vtu", fields, layout, number)
            on_record()

    write_atomically(folder, write_all)
    names = {_days(fields, number): f"{folder.name}/{number:05d}.vtu" for number in range(fields.n_records)}
    write_atomically(target, lambda temporary: write_pvd(temporary, names))


def _write_state(path: FilePath, fields: Fields, layout: FieldLayout, number: int) -> None:
    assert layout.mesh is not None
    values = layout.convert(fields.read_all(slice(number, number + 1)))
    arrays: dict[str, dict[str, VtuField]] = {"face": {}, "node": {}}

    for one in fields.variables:
        (location,) = layout.dims[fields.location(one)]
        arrays[location][one.name] = VtuField(values[one.name].ravel(), _shown_units(one.units))

    for first, second in fields.vectors:
        (location,) = layout.dims[fields.location(first)]
        x = values[first.name].ravel()
        y = values[second.name].ravel()
        vector = np.stack([x, y, np.zeros_like(x)], axis=1)
        arrays[location][f"{first.name}_{second.name}"] = VtuField(vector, _shown_units(first.units))

    write_vtu(path, layout.mesh, arrays["face"], arrays["node"], _days(fields, number))


def _shown_units(units: str) -> str:
    return "" if units == "1" else units


def _days(fields: Fields, number: int) -> float:
    """Return the time of a record in days; without times, the number of the record."""
    name = next((name for name in ("valid_time", "time") if name in fields.dataset.coords), None)
    if name is None:
        return float(number)

    column = fields.dataset[name]
    column = column.isel({dim: number if dim == fields.record else 0 for dim in column.dims})
    return float((column.values.astype("datetime64[ns]") - _UNIX_EPOCH) / np.timedelta64(1, "D"))
