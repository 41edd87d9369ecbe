"""Names, units and means of other programs, in the forms that their files have."""

import logging

import numpy as np
import pytest
import xarray as xr
import yaml

from gensim_graph.errors import InputError
from gensim_graph.io import open_store
from gensim_graph.io.cf import on_faces
from gensim_graph.io.checks import check_unit
from gensim_graph.io.names import conversion, known_names, parse_unit, unit_spelling, with_known_names
from gensim_graph.system import resource
from gensim_graph.variables import default_variables

TIMES = np.datetime64("2010-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
SHAPE = (3, 8, 10)
U, V = "eastward_sea_ice_velocity", "northward_sea_ice_velocity"


def grid() -> xr.Dataset:
    lon = ("longitude", np.arange(10) * 2.0, {"units": "degrees_east"})
    lat = ("latitude", np.arange(8) + 70.5, {"units": "degrees_north"})
    return xr.Dataset(coords={"time": TIMES, "latitude": lat, "longitude": lon})


def fractions(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.05, 0.95, SHAPE).astype(np.float32)


def with_fields(fields: dict[str, tuple[str | None, str]], scale: dict[str, float] | None = None) -> xr.Dataset:
    """A grid with fields.

    Args:
        fields: name -> unit (None for no attribute) and standard name, empty for none.
        scale: name -> factor of the values, which are fractions.
    """
    ds = grid()
    for seed, (name, (unit, standard)) in enumerate(fields.items()):
        attrs = ({} if unit is None else {"units": unit}) | ({"standard_name": standard} if standard else {})
        values = fractions(seed) * (scale or {}).get(name, 1.0)
        ds[name] = (("time", "latitude", "longitude"), values.astype(np.float32), attrs)
    return ds


PRODUCTS = {
    "GLORYS": ({"siconc": ("1", "sea_ice_area_fraction"), "sithick": ("m", "sea_ice_thickness"), "usi": ("m s-1", U),
                "vsi": ("m s-1", V), "sisnthick": ("m", "surface_snow_thickness")}, "sic sit siu siv snt"),
    "CMIP6": ({"siconc": ("%", ""), "sivol": ("m", "sea_ice_thickness"), "siu": ("m s-1", "sea_ice_x_velocity"),
               "siv": ("m s-1", "sea_ice_y_velocity"), "sisnthick": ("m", "")}, "sic sit siu siv snt"),
    "NEMO": ({"siconc": ("", ""), "sivolu": ("m", ""), "sivelu": ("m/s", ""), "sivelv": ("m/s", ""),
              "snvolu": ("m", "")}, "sic sit siu siv snt"),
    "CICE": ({"aice": ("1", ""), "hi": ("m", ""), "hs": ("m", ""), "uvel": ("m/s", ""), "vvel": ("m/s", "")},
             "sic sit siu siv snt"),
    "CICE daily": ({"aice_d": ("1", ""), "hi_d": ("m", ""), "hs_d": ("m", ""), "uvel_d": ("m/s", ""),
                    "vvel_d": ("m/s", "")}, "sic sit siu siv snt"),
    "ROMS": ({"aice": (None, ""), "hice": ("meter", ""), "uice": ("meter second-1", ""),
              "vice": ("meter second-1", ""), "snow_thick": ("meter", "")}, "sic sit siu siv snt"),
    "TOPAZ": ({"fice": ("1", "sea_ice_area_fraction"), "hice": ("m", "sea_ice_thickness"), "uice": ("m s-1", ""),
               "vice": ("m s-1", ""), "hsnow": ("m", "surface_snow_thickness")}, "sic sit siu siv snt"),
    "FESOM": ({"a_ice": ("1", ""), "m_ice": ("m", ""), "m_snow": ("m", ""), "uice": ("m/s", ""), "vice": ("m/s", "")},
              "sic sit siu siv snt"),
    "MPAS-Seaice": ({"timeMonthly_avg_iceAreaCell": ("1", ""), "timeMonthly_avg_iceVolumeCell": ("m", ""),
                     "timeMonthly_avg_snowVolumeCell": ("m", "")}, "sic sit snt"),
    "MPAS daily": ({"timeDaily_avg_iceAreaCell": ("1", ""), "timeDaily_avg_uVelocityGeo": ("m s^-1", ""),
                    "timeDaily_avg_vVelocityGeo": ("m s^-1", "")}, "sic siu siv"),
    "NSIDC": ({"cdr_seaice_conc": ("1", "sea_ice_area_fraction"),
               "nsidc_bt_seaice_conc": ("1", "sea_ice_area_fraction"),
               "nsidc_nt_seaice_conc": ("1", "sea_ice_area_fraction")}, "sic"),
    "OSI SAF": ({"ice_conc": ("%", "sea_ice_area_fraction"), "raw_ice_conc_values": ("%", "sea_ice_area_fraction")},
                "sic"),
    "ECCO": ({"SIarea": ("1", ""), "SIheff": ("m", ""), "SIuice": ("m s-1", ""), "SIvice": ("m s-1", "")},
             "sic sit siu siv"),
    "neXtSIM": ({"Concentration": ("1", ""), "Thickness": ("m", ""), "Snow": ("m", ""), "Damage": ("1", "")},
                "sic sit snt sid"),
    "neXtSIM restart": ({"M_conc": ("1", ""), "M_thick": ("m", ""), "M_snow_thick": ("m", ""), "M_damage": ("1", "")},
                        "sic sit snt sid"),
    "TOPAZ5 and neXtSIM of CMEMS": ({"siconc": ("1", "sea_ice_area_fraction"), "sithick": ("m", "sea_ice_thickness"),
                                     "sisnthick": ("m", "surface_snow_thickness"),
                                     "vxsi": ("m s-1", "sea_ice_x_velocity"), "vysi": ("m s-1", "sea_ice_y_velocity")},
                                    "sic sit siu siv snt"),
    "CMIP5": ({"sic": ("%", "sea_ice_area_fraction"), "sit": ("m", "sea_ice_thickness"),
               "usi": ("m s-1", "sea_ice_x_velocity"), "vsi": ("m s-1", "sea_ice_y_velocity")}, "sic sit siu siv"),
    "NEMO-SI3": ({"siconc": ("1", ""), "sithic": ("m", ""), "snthic": ("m", ""), "sivelu": ("m/s", ""),
                  "sivelv": ("m/s", "")}, "sic sit siu siv snt"),
    "RIOPS": ({"iiceconc": ("fraction", ""), "iicevol": ("m", ""), "isnowvol": ("m", ""), "itzocrtx": ("m/s", ""),
               "itmecrty": ("m/s", "")}, "sic sit siu siv snt"),
    "ORAS5": ({"ileadfra": ("%", "")}, "sic"),
    "ERA5": ({"siconc": ("(0 - 1)", "sea_ice_area_fraction")}, "sic"),
    "ERA5 of GRIB": ({"ci": ("(0 - 1)", "")}, "sic"),
    "ERA5, long names": ({"sea_ice_cover": ("(0 - 1)", "")}, "sic"),
    "NSIDC-0081": ({"F17_ICECON": ("1", "sea_ice_area_fraction"), "F18_ICECON": ("1", "sea_ice_area_fraction")}, "sic"),
    "NSIDC G02202 version 5": ({"cdr_seaice_conc": ("1", "sea_ice_area_fraction"), "raw_bt_seaice_conc": ("1", ""),
                                "raw_nt_seaice_conc": ("1", "")}, "sic"),
    "CryoSat-2/SMOS": ({"sea_ice_concentration": ("%", "sea_ice_area_fraction"),
                        "analysis_sea_ice_thickness": ("m", "sea_ice_thickness"),
                        "background_sea_ice_thickness": ("m", "sea_ice_thickness")}, "sic sit"),
    "ROMS of Rutgers": ({"Aice": (None, ""), "Hice": ("meter", ""), "Hsno": ("meter", ""),
                         "Uice": ("meter second-1", ""), "Vice": ("meter second-1", "")}, "sic sit siu siv snt"),
    "by standard name": ({"ice_cover": ("(0 - 1)", "sea_ice_area_fraction"), "ice_u": ("m s-1", U),
                          "ice_v": ("m s-1", V)}, "sic siu siv"),
}  # fmt: skip


@pytest.mark.parametrize("product", PRODUCTS)
def test_names_of_products(product, tmp_path, caplog):
    """All fields that the table knows are read, with one line about the names, and one about what is left out."""
    fields, expected = PRODUCTS[product]
    percent = {name: 100.0 for name, (unit, _) in fields.items() if unit == "%"}
    with_fields(fields, percent).to_netcdf(tmp_path / "run.nc")
    with caplog.at_level(logging.INFO, logger="gensim_graph.io.names"):
        store = open_store(tmp_path / "run.nc")
    assert {name for name in store if "time" in store[name].dims} == set(expected.split())
    assert sum("renamed or converted" in record.message for record in caplog.records) == 1
    np.testing.assert_allclose(store["sic"].values.ravel(), fractions().ravel(), rtol=1e-5)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"u10": "m s**-1", "v10": "m s**-1", "t2m": "K"}, "uas vas tus"),
        ({"u10": "m s**-1", "v10": "m s**-1"}, "uas vas"),
        ({"uas": "m s-1", "vas": "m s-1", "tas": "degC"}, "uas vas tus"),
        ({"u10m": "km/h", "v10m": "km/h"}, "uas vas"),
        ({"U10M": "m s-1", "V10M": "m s-1", "T2M": "K", "QV2M": "kg kg-1"}, "uas vas tus huss"),
        ({"10m_u_component_of_wind": "m s**-1", "10m_v_component_of_wind": "m s**-1"}, "uas vas"),
        ({"x_wind_10m": "m/s", "y_wind_10m": "m/s"}, "uas vas"),
        ({"uwind": "m/s", "vwind": "m/s", "tair": "degC"}, "uas vas tus"),
        ({"uAirVelocity": "m/s", "vAirVelocity": "m/s"}, "uas vas"),
        ({"Uwind": "meter second-1", "Vwind": "meter second-1", "Tair": "Celsius"}, "uas vas tus"),
        ({"uatm_h": "m/s", "vatm_h": "m/s", "Tair_h": "C"}, "uas vas tus"),
        ({"U_10_MOD": "m/s", "V_10_MOD": "m/s"}, "uas vas"),
        ({"10u": "m s**-1", "10v": "m s**-1"}, "uas vas"),
    ],
)
def test_forcing_by_name(fields, expected):
    ds = with_fields({name: (unit, "") for name, unit in fields.items()}, {"t2m": 300.0, "T2M": 300.0, "QV2M": 0.01})
    if "t2m" in ds or "T2M" in ds:
        name = "t2m" if "t2m" in ds else "T2M"
        ds[name] = ds[name].clip(200)
    store = open_store(ds, needs="forcing")
    assert {name for name in store if "time" in store[name].dims} == set(expected.split())


def test_humidity_from_the_dew_point_of_era5(caplog):
    """Against the saturation mixing ratio of the Smithsonian tables: 3.82 g/kg at 0 degC and 1000 hPa."""
    ds = with_fields({"u10": ("m s**-1", ""), "v10": ("m s**-1", ""), "d2m": ("K", "")})
    ds["d2m"][:] = 273.15
    with caplog.at_level(logging.WARNING):
        assert "huss" not in open_store(ds, needs="forcing")
    assert "left out: d2m ('huss' needs the pressure sp or msl too)" in caplog.text
    ds["sp"] = xr.full_like(ds["d2m"], 1e5).assign_attrs(units="Pa")
    ratio = 3.82e-3
    np.testing.assert_allclose(open_store(ds, needs="forcing")["huss"].values, ratio / (1 + ratio), rtol=5e-3)


@pytest.mark.parametrize(
    ("name", "methods", "is_over_ice"),
    [
        ("sithick", "area: mean where sea_ice", True),
        ("sithick", "area: time: mean where sea_ice", True),
        ("sithick", "", True),
        ("sithick", "area: mean where sea", False),
        ("sithick", "area: mean where sea_ice over sea", False),
        ("sithic", "time: mean", True),
        ("hice", "", False),
        ("hice", "mean where ice", True),
        ("hice", "area: mean where sea_ice", True),
        ("sivol", "area: mean where sea time: mean", False),
        ("hi", "time: mean", False),
        ("ice_depth", "area: mean where sea_ice", True),
        ("ice_depth", "area: mean where ocean", False),
    ],
)
def test_thickness_over_the_ice_or_the_cell(name, methods, is_over_ice):
    """The attribute cell_methods decides, else the name."""
    ds = with_fields({"siconc": ("1", ""), name: ("m", "sea_ice_thickness")})
    ds[name].attrs |= {"cell_methods": methods} if methods else {}
    expected = fractions(1) * (fractions(0) if is_over_ice else 1.0)
    np.testing.assert_allclose(open_store(ds)["sit"].values.ravel(), expected.ravel(), rtol=1e-5)


def test_an_unclear_thickness_is_left_out_and_told(caplog):
    ds = with_fields({"siconc": ("1", ""), "ice_depth": ("m", "sea_ice_thickness"), "siage": ("d", "age_of_sea_ice")})
    with caplog.at_level(logging.WARNING):
        assert "sit" not in open_store(ds)
    assert "'ice_depth' (time, latitude, longitude)" in caplog.text
    assert "'siage'" in caplog.text


def test_a_thickness_over_the_ice_needs_the_concentration(caplog):
    ds = with_fields({"sithick": ("m", ""), "sisnthick": ("m", ""), "usi": ("m s-1", U), "vsi": ("m s-1", V)})
    with caplog.at_level(logging.WARNING):
        assert "sit" not in open_store(ds)
    assert "'sit' needs the concentration too" in caplog.text


def test_two_names_for_one_variable():
    with pytest.raises(InputError, match="siconc and aice are both 'sic'"):
        open_store(with_fields({"siconc": ("1", ""), "aice": ("1", "")}))
    both = with_fields({"sic": ("1", ""), "aice": ("1", "")})
    np.testing.assert_array_equal(open_store(both)["sic"].values.ravel(), fractions(0).ravel())


def test_the_best_of_the_same_data_is_taken_and_told(caplog):
    ds = with_fields(dict.fromkeys(("nsidc_nt_seaice_conc", "cdr_seaice_conc"), ("1", "sea_ice_area_fraction")))
    with caplog.at_level(logging.WARNING):
        store = open_store(ds)
    np.testing.assert_array_equal(store["sic"].values.ravel(), fractions(1).ravel())
    assert "nsidc_nt_seaice_conc" in caplog.text


@pytest.mark.parametrize(
    "fields",
    [{"ice_cover": ("1", "")}, {"sea_ice": ("%", "ice_cover")}, {"sst": ("degC", "sea_surface_temperature")}],
)
def test_a_grid_without_known_names(fields, tmp_path):
    """A valid file is not called one without a mesh: the message lists what it has, and what would be known."""
    with_fields(fields).to_netcdf(tmp_path / "run.nc")
    with pytest.raises(InputError, match="known name") as error:
        open_store(tmp_path / "run.nc")
    assert all(text in str(error.value) for text in (*fields, "siconc", "names.yaml"))
    with pytest.raises(InputError, match="known name"):
        open_store(with_fields(fields))


def test_flags_outside_the_valid_range(tmp_path):
    """NSIDC stores bytes with flags of land above the valid range, in the unit of the bytes."""
    ds = with_fields({"cdr_seaice_conc": ("1", "sea_ice_area_fraction")})
    land = np.zeros(SHAPE[1:], dtype=bool)
    land[2:5, 3:6] = True
    ds["cdr_seaice_conc"] = ds["cdr_seaice_conc"].where(~land, 2.54)
    ds["cdr_seaice_conc"].attrs["valid_range"] = np.array([0, 100], dtype=np.uint8)
    packing = {"dtype": "uint8", "scale_factor": np.float32(0.01), "_FillValue": np.uint8(255)}
    ds.to_netcdf(tmp_path / "cdr.nc", encoding={"cdr_seaice_conc": packing})
    store = open_store(tmp_path / "cdr.nc")
    assert store.sizes["face"] == (~land).sum()
    np.testing.assert_allclose(store["sic"].values, fractions()[:, ~land], atol=0.0051)


def test_the_drift_on_the_cells_is_taken_before_that_on_their_sides():
    """ROMS writes the drift on the sides of the cells, and turned to east and north on the cells."""
    ds = with_fields({"aice": ("1", ""), "uice_eastward": ("m s-1", ""), "vice_northward": ("m s-1", "")})
    ds["uice"] = (("time", "latitude", "xi_u"), np.zeros((3, 8, 9), dtype=np.float32))
    ds["vice"] = (("time", "eta_v", "longitude"), np.zeros((3, 7, 10), dtype=np.float32))
    renamed = with_known_names(ds)
    np.testing.assert_array_equal(renamed["siu"], ds["uice_eastward"])
    assert renamed["siu"].attrs["standard_name"] == "eastward_siu"  # turned to the axes of the mesh by the reader
    np.testing.assert_array_equal(renamed["siv"], ds["vice_northward"])


# Units


@pytest.mark.parametrize(
    ("unit", "wanted", "factor", "offset"),
    [
        ("%", "1", 0.01, 0), ("percent", "1", 0.01, 0), ("Percent", "1", 0.01, 0), ("pct", "1", 0.01, 0),
        ("0-100", "1", 0.01, 0), ("(0 - 1)", "1", 1, 0), ("0-1", "1", 1, 0), ("[0, 1]", "1", 1, 0), ("1", "1", 1, 0),
        ("", "1", 1, 0), ("-", "1", 1, 0), ("fraction", "1", 1, 0), ("unitless", "1", 1, 0), ("m2 m-2", "1", 1, 0),
        ("1e-2", "1", 0.01, 0), ("K", "K", 1, 0), ("kelvin", "K", 1, 0), ("degC", "K", 1, 273.15),
        ("C", "K", 1, 273.15), ("degrees_Celsius", "K", 1, 273.15), ("deg C", "K", 1, 273.15), ("°C", "K", 1, 273.15),
        ("Celsius", "K", 1, 273.15), ("m s**-1", "m s-1", 1, 0), ("m/s", "m s-1", 1, 0), ("m s^-1", "m s-1", 1, 0),
        ("m.s-1", "m s-1", 1, 0), ("meter second-1", "m s-1", 1, 0), ("metres per second", "m s-1", 1, 0),
        ("m s^{-1}", "m s-1", 1, 0), ("cm/s", "m s-1", 0.01, 0), ("cm s-1", "m s-1", 0.01, 0),
        ("km/day", "m s-1", 1 / 86.4, 0), ("km d-1", "m s-1", 1 / 86.4, 0), ("km/h", "m s-1", 1 / 3.6, 0),
        ("knots", "m s-1", 1852 / 3600, 0), ("cm", "m", 0.01, 0), ("mm", "m", 0.001, 0), ("meters", "m", 1, 0),
        ("Meter", "m", 1, 0), ("m3 m-2", "m", 1, 0), ("m^3/m^2", "m", 1, 0), ("g/kg", "kg kg-1", 0.001, 0),
        ("g kg**-1", "kg kg-1", 0.001, 0), ("1", "kg kg-1", 1, 0), ("degree days", "K d", 1, 0),
        ("kg/kg", "1", 1, 0), ("kg kg**-1", "kg kg-1", 1, 0), ("g kg-1", "1", 0.001, 0), ("1e-3", "1", 0.001, 0),
        ("0.01 m s-1", "m s-1", 0.01, 0), ("10^3 m", "m", 1000, 0), ("1/s", "s-1", 1, 0), ("M/S", "m s-1", 1, 0),
        ("METERS", "m", 1, 0), ("km.d-1", "m s-1", 1 / 86.4, 0), ("km hr**-1", "m s-1", 1 / 3.6, 0),
        ("mph", "m s-1", 0.44704, 0), ("J m**-2", "W s m-2", 1, 0), ("W m**-2", "W m-2", 1, 0),
        ("kg m**-2 s**-1", "kg m-2 s-1", 1, 0), ("mb", "Pa", 100, 0), ("hPa", "Pa", 100, 0),
        ("millibars", "Pa", 100, 0),
        ("gpm", "m", 1, 0), ("celcius", "K", 1, 273.15), ("deg_C", "K", 1, 273.15), ("degC d", "K d", 1, 0),
        ("degF", "K", 5 / 9, 273.15 - 160 / 9), ("(m s-1)", "m s-1", 1, 0), ("m s−1", "m s-1", 1, 0),
        ("k", "K", 1, 0), ("deg K", "K", 1, 0), ("ppm", "1", 1e-6, 0), ("furlong", "m", 201.1684023368, 0),
    ],
)  # fmt: skip
def test_spellings_of_units(unit, wanted, factor, offset):
    np.testing.assert_allclose(conversion(unit, wanted), (factor, offset), rtol=1e-12)


def test_files_of_this_package_do_not_need_the_library_of_units(monkeypatch):
    """Making its table takes a quarter of a second."""
    own = open_store(with_fields({"sic": ("1", ""), "uas": ("m s-1", ""), "vas": ("m s-1", "")}))
    monkeypatch.setattr(unit_spelling, "_registry", lambda: pytest.fail("pint is loaded"))
    unit_spelling._parse.cache_clear()
    np.testing.assert_array_equal(open_store(own)["sic"], own["sic"])


@pytest.mark.parametrize(
    "unit", ["floes", "kg m-2", "m of ice", "degrees", "tonnes", "m s", "???", "K/", "m w.e.", "m2", "1/m", "psu",
             "m**0.5", "m--1", "9**9**9", "m*9**9**9**9", "days since 2000-01-01", "m" * 200],
)  # fmt: skip
def test_other_units_are_not_guessed(unit):
    assert conversion(unit, "m") is None
    variable = default_variables()["sit"]
    with pytest.raises(InputError, match="expected 'm'"):
        check_unit("file", xr.DataArray([1.0], attrs={"units": unit}), variable)


@pytest.mark.parametrize("unit", ["%", "percent", "0-100", "1e-2"])
@pytest.mark.parametrize("name", ["siconc", "aice", "cdr_seaice_conc", "sic"])
def test_a_per_cent_that_holds_fractions_is_refused(name, unit):
    with pytest.raises(InputError, match=f"'{name}' says '{unit}' but holds at most 0.9"):
        on_faces(with_fields({name: (unit, "")}))


@pytest.mark.parametrize("unit", ["1", "", "fraction", None])
@pytest.mark.parametrize("name", ["siconc", "a_ice", "sic"])
def test_a_fraction_that_holds_per_cent_is_refused(name, unit):
    with pytest.raises(InputError, match=f"'{name}' says .* but holds up to 9"):
        on_faces(with_fields({name: (unit, "")}, {name: 100.0}))


@pytest.mark.parametrize("largest", [55.0, 90.0, 99.0])
@pytest.mark.parametrize("names", [("u10", "v10"), ("uas", "vas"), ("x_wind_10m", "y_wind_10m")])
def test_wind_without_a_unit_that_is_too_strong(names, largest):
    """Wind in km/h or knots. With a unit it is read, whatever its size within the plausible range."""
    ds = with_fields(dict.fromkeys(names, (None, "")), dict.fromkeys(names, largest / 0.95))
    with pytest.raises(InputError, match=f"'{names[0]}' has no units and runs from .*; expected m s-1.*'km/h'"):
        open_store(ds, needs="forcing")
    for name in names:
        ds[name].attrs["units"] = "km/h"
    store = open_store(ds, needs="forcing")
    speed, expected = np.hypot(store["uas"], store["vas"]), np.hypot(ds[names[0]], ds[names[1]]) / 3.6
    np.testing.assert_allclose(speed.values.ravel(), expected.values.ravel(), rtol=1e-5)


def test_wind_without_a_unit_in_a_file_of_this_package():
    """Weak wind is read as before; in a file in our own layout too, strong wind is refused."""
    own = open_store(with_fields({"uas": (None, ""), "vas": (None, "")}, {"uas": 30.0, "vas": 30.0}), needs="forcing")
    assert float(np.hypot(own["uas"], own["vas"]).max()) > 25.0
    for name in ("uas", "vas"):
        own[name] = (3.0 * own[name]).drop_attrs()
    with pytest.raises(InputError, match="'uas' has no units"):
        open_store(own, needs="forcing")


def test_open_water_in_per_cent_is_read():
    ds = with_fields({"siconc": ("%", "")}, {"siconc": 0.0})
    assert (open_store(ds)["sic"].values == 0).all()


# The table


def test_the_table_of_names():
    """Every row belongs to a variable of the table, and no name stands for two."""
    rows = yaml.safe_load(resource("configs", "variables", "names.yaml").read_text())
    assert set(rows) <= {variable.name for variable in default_variables().variables}
    names = []
    for row in rows.values():
        groups = [[one] if isinstance(one, str) else one for one in row.get("names", ())]
        names += {name for group in (*groups, row.get("over_ice", ()), row.get("standard_names", ())) for name in group}
    assert sorted(names) == sorted(set(names))


def test_what_is_not_in_the_table_stays():
    ds = with_fields({"siconc": ("1", ""), "sst": ("K", "sea_surface_temperature")})
    assert known_names(ds) == {"siconc"}
    renamed = with_known_names(ds)
    assert {"sic", "siconc", "sst"} <= set(renamed.data_vars)
    assert parse_unit(renamed["sic"].attrs["units"]).factor == 1.0
