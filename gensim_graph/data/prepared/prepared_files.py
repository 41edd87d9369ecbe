"""Files of a prepared store: where they are, which of them make it whole, and how they are read and written.

========================  ==================================================================================
``prepared.json``         the layout; written last, so a store that has it is whole
``values``                the array of values, zarr
``cell``                  (F,) cells of the mesh in the order of the array, zarr
``mesh.zarr``             the mesh, UGRID
``moments.safetensors``   moments of each record
``graphs``                prepared graphs, for large meshes
``moved_...``             states moved by the drift, which the first training with transport adds
``preparing.json``        the layout of a preparation that is not finished
``journal``               moments of the shards that it has written
========================  ==================================================================================
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr

from gensim_graph.data.prepared.record_layout import RecordLayout
from gensim_graph.data.prepared.record_moments import RecordMoments
from gensim_graph.data.prepared.values import StoredPrecision, array_metadata, shard_path, write_metadata
from gensim_graph.errors import InputError, naming
from gensim_graph.graph import order_cells
from gensim_graph.io import load_mesh, write_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array


def is_prepared(path: object) -> bool:
    """Return True if a path is a prepared store, finished or not."""
    if not isinstance(path, str | Path):
        return False
    return any((Path(path) / name).is_file() for name in ("prepared.json", "preparing.json"))


@dataclass(frozen=True)
class StoreFiles:
    """The files of a prepared store.

    Attributes:
        path: the store.
    """

    path: Path

    @property
    def values(self) -> Path:
        """Folder of the array of values."""
        return self.path / "values"

    @property
    def journal(self) -> Path:
        """Folder of the moments of finished shards."""
        return self.path / "journal"

    @property
    def graphs(self) -> Path:
        """Folder of the prepared graphs."""
        return self.path / "graphs"

    @property
    def lock(self) -> Path:
        """Lock of the process that prepares."""
        return self.path / "preparing.lock"

    def layout(self, finished: bool) -> RecordLayout | None:
        """Read the layout; None if there is none.

        Args:
            finished: of the finished store, or of the preparation that is not.

        Raises:
            InputError: another version, or a damaged file.
        """
        file = self.path / ("prepared.json" if finished else "preparing.json")
        if not file.is_file():
            return None

        with naming(self.path):
            try:
                return RecordLayout.from_dict(json.loads(file.read_text()))
            except (ValueError, TypeError, KeyError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"{file.name} is damaged; prepare the sources again") from None

    def write_layout(self, layout: RecordLayout, finished: bool) -> None:
        """Write the layout.

        Args:
            layout: the layout.
            finished: of the finished store, or of a preparation.
        """
        text = json.dumps(layout.to_dict(), indent=1)
        file = self.path / ("prepared.json" if finished else "preparing.json")
        write_atomically(file, lambda part: part.write_text(text))

    def create(self, layout: RecordLayout, mesh: Mesh) -> None:
        """Create a store without values.

        Args:
            layout: the plan.
            mesh: the mesh.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, lambda part: StoreFiles(part)._create(layout, mesh))

    def _create(self, layout: RecordLayout, mesh: Mesh) -> None:
        group = {"zarr_format": 3, "node_type": "group", "attributes": {"title": "prepared training data"}}
        write_metadata(self.path, group)
        self.write_shape(layout)
        write_mesh(mesh, self.path / "mesh.zarr")

        order = np.argsort(order_cells(mesh.centres).slot).astype(np.int32)
        zarr.create_array(str(self.path / "cell"), data=order, dimension_names=["cell"])
        self.journal.mkdir()
        self.write_layout(layout, finished=False)

    def write_shape(self, layout: RecordLayout) -> None:
        """Write the metadata of the array of values."""
        shape = (layout.n_records, layout.cells, len(layout.names))
        precision = StoredPrecision(layout.precision)
        metadata = array_metadata(shape, layout.shard_records, precision.dtype, precision.is_compressed)
        write_metadata(self.values, metadata)

    def mesh(self) -> Mesh:
        """Read the mesh."""
        return load_mesh(self.path / "mesh.zarr")

    def order(self) -> Array:
        """Read the cells of the mesh in the order of the array, (F,)."""
        array = zarr.open_array(str(self.path / "cell"), mode="r")
        return np.asarray(array[:])

    def moments(self, layout: RecordLayout) -> RecordMoments:
        """Read the moments of all records of a finished store.

        Args:
            layout: the layout of the finished store.

        Raises:
            InputError: the file is missing or damaged.
        """
        try:
            whole = RecordMoments.load(self.path / "moments.safetensors")
        except Exception as error:  # safetensors raises exceptions of its own
            raise InputError(
                f"{self.path}: moments.safetensors cannot be read ({error}); is the copy complete?"
            ) from None
        return whole.first(layout.n_records, layout.n_shards)

    def clear_preparation(self) -> None:
        """Remove what only an unfinished preparation needs, and the remains of killed processes."""
        (self.path / "preparing.json").unlink(missing_ok=True)
        shutil.rmtree(self.journal, ignore_errors=True)
        self.lock.unlink(missing_ok=True)

        for file in [*self.values.glob("c/*/0/*"), *self.path.glob("*"), *self.graphs.glob("*")]:
            is_shard = file.parent.parent.parent.name == "c" and file.name == "0"
            if file.is_file() and not is_shard and (file.parent.name == "0" or file.name.endswith(".part")):
                file.unlink()

    def check_whole(self, layout: RecordLayout, sizes: Array) -> None:
        """Refuse a store with files of values that are missing or cut off.

        Args:
            layout: the layout.
            sizes: (shards,) size of each file, bytes.

        Raises:
            InputError: a file is missing or has another size.
        """
        for shard in range(layout.n_shards):
            file = shard_path(self.values, shard)
            size = file.stat().st_size if file.is_file() else 0
            if size < sizes[shard]:  # a store that is being extended has longer ones
                raise InputError(
                    f"{self.path}: is not whole, {file.relative_to(self.path)} has {size} of {int(sizes[shard])} "
                    "bytes; copy the store again, or prepare the sources again"
                )
