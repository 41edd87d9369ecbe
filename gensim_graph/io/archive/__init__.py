"""Archives: files of many records, listed without reading their fields, and read some records at a time.

``record_source`` opens a file and lists its records; ``archive_file`` reads them on the faces of a mesh.
"""

from gensim_graph.io.archive.archive_file import ArchiveFile
from gensim_graph.io.archive.record_source import RecordListing, list_records

__all__ = ["ArchiveFile", "RecordListing", "list_records"]
