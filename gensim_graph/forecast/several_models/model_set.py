"""The models of a forecast, and the members of each."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gensim_graph.data import Drivers, Forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast.several_models.model_agreement import check_agreement, distinct_names
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate, model_hash, provenance
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable


@dataclass(frozen=True)
class ModelSet:
    """One trained model, or several that agree in lead time and variables and share the members of a forecast.

    Attributes:
        models: in the order of their members.
        names: of the models; each is another one.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.forecast import ModelSet
        >>> models = ModelSet.of([gg.Surrogate.load("small"), gg.Surrogate.load("small@1")])
        >>> dict(zip(models.names, models.blocks(members=5)))
        {'small': range(0, 3), 'small@1': range(3, 5)}
    """

    models: tuple[Surrogate, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, given: object) -> "ModelSet":
        """Return the set of one model, or of several.

        Args:
            given: a model, or a list of models.

        Raises:
            InputError: no model, something else, or models that do not agree, see
                :func:`~gensim_graph.forecast.several_models.model_agreement.check_agreement`.
        """
        listed = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
        models = tuple(one for one in listed if isinstance(one, Surrogate))
        if not models or len(models) < len(listed):
            strange = [type(one).__name__ for one in listed if not isinstance(one, Surrogate)]
            raise InputError(
                "model: expected a trained model or a list of them, such as gensim_graph.Surrogate.load('small'); came "
                f"{strange[0] if strange else 'an empty list'}"
            )

        names = distinct_names(models)
        check_agreement(models, names)

        return cls(models, tuple(names))

    @property
    def first(self) -> Surrogate:
        """The first model, for all that the models have in common: variables of the state, lead time, device, kind."""
        return self.models[0]

    @property
    def has_several(self) -> bool:
        """True if there are two models or more."""
        return len(self.models) > 1

    @property
    def table(self) -> VariableTable:
        """Variables of all models: the table of the first one, and further forcing of the others."""
        known: dict[str, Variable] = {}
        for model in self.models:
            known |= {one.name: one for one in model.normaliser.table.variables if one.name not in known}

        return VariableTable(tuple(known.values()))

    @property
    def hash(self) -> str:
        """Digests of all models, separated by commas."""
        return ", ".join(model_hash(model) for model in self.models)

    def shared(self, values: Iterable[str]) -> str:
        """Return the value of all models, or that of each, separated by commas, if they differ.

        Args:
            values: one for each model.
        """
        given = list(values)
        return given[0] if len(set(given)) == 1 else ", ".join(given)

    def count_members(self, asked: int, origins: int) -> int:
        """Return the number of members of the forecast.

        Args:
            asked: number that the user asks for.
            origins: number of initial states or of weathers; a deterministic twin has one member for each of them.

        Raises:
            InputError: fewer members than models.
        """
        count = min(asked, len(self.models) * origins) if self.first.deterministic else asked
        if count < len(self.models):
            raise InputError(
                f"forecast.members: expected {len(self.models)} or more, one for each of the models "
                f"{', '.join(self.names)}; came {asked}. Ask for more members, or name fewer models"
            )

        return count

    def check_guidable(self) -> None:
        """Check that observations can guide the steps of all models.

        Raises:
            InputError: a deterministic twin, or a student that makes a step with one evaluation.
        """
        for name, model in zip(self.names, self.models, strict=True):
            if model.deterministic:
                raise InputError(
                    f"{name}: a deterministic twin has no flow that observations could guide; use the model itself, or "
                    "the filter (method letkf of assimilate) with an ensemble of initial states"
                )
            if model.sampler.evaluations == 1:
                raise InputError(
                    f"{name}: makes a step with one evaluation, on the way of which nothing can be guided; use the "
                    "flow that it is a student of, or the filter (method letkf of assimilate)"
                )

    def blocks(self, members: int) -> list[range]:
        """Return the members of each model: consecutive numbers; the first blocks have one more if they must differ.

        Args:
            members: number of members of the forecast.
        """
        size, larger = divmod(members, len(self.models))
        starts = [number * size + min(number, larger) for number in range(len(self.models) + 1)]

        return [range(*pair) for pair in pairwise(starts)]

    def names_of_members(self, members: int) -> list[str]:
        """Return the name of the model of each member.

        Args:
            members: number of members of the forecast.
        """
        blocks = zip(self.names, self.blocks(members), strict=True)
        return [name for name, block in blocks for _ in block]

    def drivers(self, forcing: object, mesh: Mesh, times: Array, steps: int) -> list[Forcing]:
        """Return the forcing of each model; models that need the same share it.

        Args:
            forcing: a dataset or opened forcing, with the variables of all models.
            mesh: mesh of the forecast.
            times: (start,) initial times.
            steps: number of steps after each of them.

        Raises:
            InputError: see :meth:`~gensim_graph.Surrogate.drivers`.
        """
        known: dict[object, Forcing] = {}
        found = []
        for model in self.models:
            table = model.normaliser.table
            key = (table.forcing, table.slow, frozenset(model.normaliser.statistics.values))
            if key not in known:
                known[key] = model.drivers(_in_order(forcing, table), mesh, times, steps)  # type: ignore[arg-type]
            found.append(known[key])

        return found

    def provenance(self, initial: str, forcing: str, seed: int, members: int) -> dict[str, str | int]:
        """Return the attributes of the forecast, see :func:`~gensim_graph.surrogate.provenance`.

        Args:
            initial: origin of the initial state, in words.
            forcing: origin of the forcing, in words.
            seed: seed of the noise.
            members: number of members.
        """
        attrs = [provenance(model, initial, forcing, seed, members) for model in self.models]
        if not self.has_several:
            return attrs[0]

        joined = {key: self._together([str(one.get(key, "")) for one in attrs]) for key in _keys_of_models(attrs)}
        joined |= {"model_name": ", ".join(self.names), "model_hash": self.hash}
        blocks = zip(self.names, self.blocks(members), strict=True)
        joined["model_members"] = "; ".join(f"{name}: {block[0]} to {block[-1]}" for name, block in blocks)

        return {**attrs[0], **joined}

    def _together(self, values: list[str]) -> str:
        """One text if all models have the same, else one for each."""
        if len(set(values)) == 1:
            return values[0]
        return "; ".join(f"{name}: {value or 'none'}" for name, value in zip(self.names, values, strict=True))


def _keys_of_models(attrs: list[dict[str, str | int]]) -> Iterator[str]:
    """Names of the attributes that describe a model."""
    yield from dict.fromkeys(key for one in attrs for key in one if key.startswith("model_"))


def _in_order(forcing: object, table: VariableTable) -> object:
    """Opened forcing in the order of the variables of a model; a dataset is opened in that order later."""
    if not isinstance(forcing, Forcing):
        return forcing
    if (forcing.table.forcing, forcing.table.slow) == (table.forcing, table.slow):
        return forcing

    return forcing.in_order(table)


def digest_of_drivers(records: Sequence[Drivers]) -> str:
    """Return a text that differs if the forcing of one of the models differs.

    Args:
        records: forcing of each model at one time. The digest of a single record, or of equal ones, is its own.
    """
    distinct = list(dict.fromkeys(one.digest for one in records))
    return distinct[0] if len(distinct) == 1 else hashlib.sha256("".join(distinct).encode()).hexdigest()
