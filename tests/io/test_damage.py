"""Files of grids and meshes with damage anywhere: refused with their name, or read as a valid mesh, in short time."""

import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import meshio
import netCDF4
import numpy as np
import pytest
import xarray as xr
from support.corrupt import attempt, check_mesh, check_store, damaged
from support.grids import gensim_store, plane_grid
from support.meshes import jittered_box
from support.places import ROOT
from support.smesh import SMESH
from support.tripolar import tripolar

from gensim_graph.errors import InputError
from gensim_graph.io import Fields, load_mesh, mesh_to_dataset, open_store, opened_fields, write_mesh
from gensim_graph.io.cf import on_faces
from gensim_graph.io.safe.netcdf_header import check_header
from gensim_graph.mesh import Mesh

CLASSIC = "NETCDF3_64BIT"


def fesom(folder: Path) -> Path:
    """A small box at the pole as FESOM writes it."""
    box = jittered_box(5, side=20.0)
    flags = np.zeros(box.n_nodes, dtype=int)
    flags[box.boundary_edges] = 1
    rows = [
        f"{n + 1} {x:.6f} {y:.6f} {flag}" for n, ((x, y), flag) in enumerate(zip(box.nodes + 60, flags, strict=True))
    ]
    (folder / "nod2d.out").write_text("\n".join([str(box.n_nodes), *rows]) + "\n")
    faces = [" ".join(map(str, face + 1)) for face in box.faces]
    (folder / "elem2d.out").write_text("\n".join([str(box.n_faces), *faces]) + "\n")
    return folder


def written(folder: Path, ds: xr.Dataset) -> Path:
    ds.to_netcdf(folder / "file.nc", format=CLASSIC)
    return folder / "file.nc"


def smesh(folder: Path) -> Path:
    (folder / "box.smesh").write_text(SMESH)
    return folder / "box.smesh"


def curvilinear(folder: Path) -> Path:
    return written(folder, tripolar(8, 32, "F", 1, 2))


def ugrid(folder: Path) -> Path:
    return written(folder, mesh_to_dataset(jittered_box(4)))


def mpas(folder: Path) -> Path:
    """Triangles in a plane, as planar meshes of MPAS are stored."""
    mesh = jittered_box(4)
    ds = xr.Dataset(
        {
            "verticesOnCell": (("nCells", "maxEdges"), (mesh.faces + 1).astype(np.int32)),
            "nEdgesOnCell": ("nCells", np.full(mesh.n_faces, 3, dtype=np.int32)),
            "xVertex": ("nVertices", mesh.nodes[:, 0]),
            "yVertex": ("nVertices", mesh.nodes[:, 1]),
        },
        attrs={"on_a_sphere": "NO", "is_periodic": "NO"},
    )
    return written(folder, ds)


def mesh_as(name: str, **options) -> Callable[[Path], Path]:
    """Maker of a small mesh in a file of some name; with options, meshio writes it."""

    def make(folder: Path) -> Path:
        mesh = jittered_box(4)
        if not options:
            return write_mesh(mesh, folder / name)
        points = np.pad(mesh.nodes, ((0, 0), (0, 1)))
        meshio.write(folder / name, meshio.Mesh(points, [("triangle", mesh.faces)]), **options)
        return folder / name

    return make


def trajectory(folder: Path) -> Path:
    return written(folder, plane_grid(6, 8))


def trajectory_zarr(folder: Path) -> Path:
    plane_grid(6, 8).to_zarr(folder / "file.zarr", consolidated=False)
    return folder / "file.zarr"


def gensim(folder: Path) -> Path:
    return gensim_store(folder, packed=True)[1]


FILES = {
    "fesom": fesom,
    "smesh": smesh,
    "curvilinear": curvilinear,
    "ugrid": ugrid,
    "ugrid zarr": mesh_as("mesh.zarr"),
    "mpas": mpas,
    "msh": mesh_as("mesh.msh"),
    "binary msh": mesh_as("mesh.msh", file_format="gmsh", binary=True),
    "vtu": mesh_as("mesh.vtu"),
    "trajectory": trajectory,
    "trajectory zarr": trajectory_zarr,
    "gensim": gensim,
}
STORES = ("trajectory", "trajectory zarr", "gensim")


def check(kind: str, folder: Path, rounds: int, seed: int) -> None:
    """Damage a file, read it and restore it, many times."""
    path = FILES[kind](folder)
    read = open_store if kind in STORES else load_mesh
    read(path)
    parts = [part for part in folder.rglob("*") if part.is_file()]
    whole = {part: part.read_bytes() for part in parts}
    rng, outcomes = np.random.default_rng(seed), []
    for number in range(rounds):
        part = parts[rng.integers(len(parts))]
        part.write_bytes(damaged(whole[part], rng))
        result, message, seconds = attempt(lambda: read(path))
        part.write_bytes(whole[part])
        assert seconds < 5.0, (number, part, seconds)
        outcomes.append(result is not None)
        if result is None:
            assert str(folder) in message
        elif isinstance(result, Mesh):
            check_mesh(result)
        else:
            check_store(result)
    assert not all(outcomes)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FILES)
def test_damaged_files(kind, tmp_path):
    check(kind, tmp_path, 40, seed=1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", FILES)
def test_much_damaged_files(kind, tmp_path):
    check(kind, tmp_path, 1500, seed=2)


def hdf5(folder: Path) -> list[Path]:
    plane_grid(6, 8).to_netcdf(folder / "run.nc")
    mesh_to_dataset(jittered_box(4)).to_netcdf(folder / "mesh.nc")
    return [folder / "run.nc", folder / "mesh.nc"]


def damaged_in_a_program(paths: list[Path], count: int) -> None:
    """Read damaged files in another process: HDF5 may crash Python or never return."""
    program = ROOT / "tests/support/corrupt.py"
    command = [sys.executable, "-W", "ignore", str(program), str(count), "3", *map(str, paths)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=10000, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    for path, line in zip(paths, ended.stdout.splitlines(), strict=True):
        read, refused, seconds, grown = line.split()
        print(f"{path.name}: {read} read, {refused} refused, at most {seconds} s and {grown} MB more")
        assert min(int(read), int(refused)) > 0
        assert float(seconds) < 5.0
        assert float(grown) < 300.0


def test_damaged_netcdf4(tmp_path):
    damaged_in_a_program(hdf5(tmp_path), 30)


@pytest.mark.slow
def test_much_damaged_netcdf4(tmp_path):
    damaged_in_a_program(hdf5(tmp_path), 3000)


GENUINE = ("cyclone/box_16km_a.msh", "meshes/25km_NH.smesh", "meshes/fesom_pi/nod2d.out", "meshes/fesom_pi/elem2d.out",
           "grids/mesh.QU.1920km.151026.nc", "native/tiny_box/mesh_20000101T060000Z.bin", "native/tiny_box/Moorings.nc",
           "grids/a_ice.fesom.1948.nc", "nextsimdg/bench_mevp_16km_dg1_upstream.nc")  # fmt: skip


@pytest.mark.slow
def test_much_damaged_genuine_files(shared_data, tmp_path):
    """More than ten thousand damaged files in all; ``-s`` shows how many of them were read."""
    paths = []
    for name in GENUINE:
        place = tmp_path / Path(name).parent
        if not place.exists():
            shutil.copytree(shared_data / Path(name).parent, place, ignore=lambda _, names: {"restart"} & set(names))
            subprocess.run(["chmod", "-R", "u+w", tmp_path], check=True)
        paths.append(tmp_path / name)
    damaged_in_a_program(paths, 1200)


def test_a_heap_that_hdf5_does_not_get_out_of(tmp_path):
    """Write zeros over the end of the first heap, where its free space is."""
    path = hdf5(tmp_path)[0]
    check_header(path)
    content = bytearray(path.read_bytes())
    start = content.index(b"GCOL")
    content[start + 64 : start + 128] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"run.nc: a heap at byte {start} ends in the middle; the file is damaged"):
        open_store(path)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4"])
def test_sound_headers_pass(form, tmp_path):
    with netCDF4.Dataset(tmp_path / "file.nc", "w", format=form) as content:
        content.title = "words"
        content.createDimension("time", None)
        content.createDimension("x", 3)
        for name, kind, dims in (("x", "f8", ("x",)), ("sic", "f4", ("time", "x")), ("flag", "i1", ())):
            variable = content.createVariable(name, kind, dims)
            variable.numbers = np.arange(3, dtype=np.int16)
        content["sic"][:2] = 0.5
    check_header(tmp_path / "file.nc")


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (12, 2**31 - 1, "promises 2147483647 dimensions"),
        (16, 2**31 - 1, "beyond the"),
        (12, 2**16, "beyond the"),
    ],
)
def test_a_header_that_promises_more_than_the_file_holds(at, value, message, tmp_path):
    path = trajectory(tmp_path)
    content = bytearray(path.read_bytes())
    content[at : at + 4] = value.to_bytes(4, "big")
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=message):
        open_store(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000


def test_a_variable_larger_than_its_file(tmp_path):
    """The header gives a dimension a length that is allowed, but too large for the data in the file."""
    path = trajectory(tmp_path)
    content = bytearray(path.read_bytes())
    place = content.index(b"\x00\x00\x00\x01x\x00\x00\x00") + 8
    content[place : place + 4] = (10**8).to_bytes(4, "big")
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=f"{path}: .*damaged"):
        open_store(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 100_000


def test_a_surface_without_faces_that_still_has_edges(tmp_path):
    """The number of the triangles was damaged, so that only lines are left."""
    path = write_mesh(jittered_box(4), tmp_path / "mesh.msh")
    head, elements = path.read_text().split("$Elements\n")
    lines = [line for line in elements.splitlines()[1:-1] if line.split()[1] == "1"]
    path.write_text("\n".join([f"{head}$Elements", str(len(lines)), *lines, "$EndElements"]) + "\n")
    with pytest.raises(InputError, match=r"mesh\.msh: .*triangle"):
        load_mesh(path)


@pytest.mark.parametrize("attribute", ["flag_meanings", "flag_values"])
def test_boundaries_without_their_meanings(attribute, tmp_path, caplog):
    """The edges keep no names, which is said; the mesh is read."""
    mesh = jittered_box(4)
    ds = mesh_to_dataset(mesh)
    flags = [name for name, column in ds.variables.items() if "flag_meanings" in column.attrs]
    for name in flags:
        del ds[name].attrs[attribute]
    ds.to_netcdf(tmp_path / "mesh.nc")
    assert load_mesh(tmp_path / "mesh.nc").n_faces == mesh.n_faces
    assert "boundaries are not used" in caplog.text


@pytest.mark.parametrize("unit", [0.0, "0", "0 m", "1e-400", "1e400", float("nan"), -1.0])
def test_a_unit_that_makes_everything_zero(unit, tmp_path):
    """A damaged attribute once read '0.0', and the concentration became 0 everywhere."""
    ds = plane_grid(6, 8)
    ds["sic"].attrs["units"] = unit
    ds.to_netcdf(tmp_path / "run.nc")
    with pytest.raises(InputError, match=r"'sic' is in '.*', expected '1'"):
        open_store(tmp_path / "run.nc")


@pytest.mark.parametrize("name", ["node_x", "face_nodes", "boundary_nodes"])
def test_a_forecast_whose_mesh_is_damaged(name, tmp_path):
    """The parts of a zarr store are read when they are needed, long after it was opened."""
    ds = on_faces(plane_grid(6, 8)).rename(time="lead_time")
    ds["lead_time"] = np.arange(3) * np.timedelta64(6, "h")
    ds.to_zarr(tmp_path / "forecast.zarr", consolidated=False)
    for part in (tmp_path / "forecast.zarr" / name / "c").rglob("0"):
        if part.is_file():
            part.write_bytes(bytes(len(part.read_bytes())))
    with (
        pytest.raises(InputError, match=r"forecast\.zarr: its mesh cannot be read, '.*' is damaged"),
        opened_fields(tmp_path / "forecast.zarr") as fields,
    ):
        Fields.of(fields)


@pytest.mark.parametrize("start", [1e30, float("nan"), "word", 2, -1, 0.5])
@pytest.mark.parametrize("name", ["face_nodes", "boundary_nodes"])
def test_a_start_index_that_does_not_exist(name, start, tmp_path):
    ds = mesh_to_dataset(jittered_box(4))
    ds[name].attrs["start_index"] = start
    ds.to_netcdf(tmp_path / "mesh.nc")
    with pytest.raises(InputError, match=f"mesh.nc: '{name}': start_index is .*; expected 0 or 1"):
        load_mesh(tmp_path / "mesh.nc")
