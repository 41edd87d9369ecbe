"""Training data on the device that computes: workers draw the samples, and the device reads and assembles them.

A sample consists of a graph and of fields. Drawing it needs the processor; reading, averaging and normalising its
fields is a few operations on arrays, which a GPU does for a whole batch in one go. So the records of all training data
lie on the device, and a worker hands over the graph, the numbers of the rows to read, and the noise. The samples are
those of :class:`~gensim_graph.data.TrainingSamples`.

Read ``device_records`` (the table of all records, and whether it fits), ``drawn_batch`` (what a worker hands over),
``drawn_samples`` (how it is drawn) and ``assembly`` (how the device makes the batch of it).
"""

from gensim_graph.data.on_device.assembly import DeviceAssembly
from gensim_graph.data.on_device.device_records import DeviceRecords, RecordRows, belongs_on_device
from gensim_graph.data.on_device.drawn_batch import DrawnBatch, collate_drawn
from gensim_graph.data.on_device.drawn_samples import DrawnSamples

__all__ = [
    "DeviceAssembly",
    "DeviceRecords",
    "DrawnBatch",
    "DrawnSamples",
    "RecordRows",
    "belongs_on_device",
    "collate_drawn",
]
