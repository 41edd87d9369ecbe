"""A zarr store of which every chunk is read once: its content does not stay in the memory of the operating system."""

from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from gensim_graph.system import forget_content


class ReadOnceStore(LocalStore):
    """Folder of a zarr store, see :func:`~gensim_graph.system.forget_content`."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file and let the operating system forget it; of a part of a file, the rest will be read, too."""
        found = await super().get(key, prototype, byte_range)
        if byte_range is None and found is not None:
            forget_content(self.root / key)
        return found
