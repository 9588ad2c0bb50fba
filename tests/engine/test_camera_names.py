from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.camera_names import camera_name


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("NIKON CORPORATION NIKON D750", "Nikon D750"),
        ("NIKON COOLPIX P900", "Nikon Coolpix P900"),
        ("Canon EOS 80D", "Canon EOS 80D"),
        ("Canon Canon PowerShot A520", "Canon PowerShot A520"),
        ("Canon Inc.", "Canon"),
        ("SONY ILCE-7M3", "Sony ILCE-7M3"),
        ("Sony Ericsson K800i", "Sony Ericsson K800i"),
        ("OLYMPUS IMAGING CORP. E-M10", "Olympus E-M10"),
        ("OLYMPUS OPTICAL CO.,LTD C2020Z", "Olympus C2020Z"),
        ("OM Digital Solutions OM-1", "OM System OM-1"),
        ("FUJIFILM X-T3", "Fujifilm X-T3"),
        ("FUJI PHOTO FILM CO., LTD. SP-3000", "Fujifilm SP-3000"),
        ("Panasonic DMC-GX7", "Panasonic DMC-GX7"),
        ("EASTMAN KODAK COMPANY KODAK EASYSHARE C180 DIGITAL CAMERA", "Kodak Easyshare C180"),
        ("PENTAX Corporation PENTAX K10D", "Pentax K10D"),
        ("RICOH IMAGING COMPANY, LTD. PENTAX K-70", "Pentax K-70"),
        ("RICOH IMAGING COMPANY, LTD. RICOH GR III", "Ricoh GR III"),
        ("LEICA CAMERA AG LEICA Q2", "Leica Q2"),
        ("Leica Camera AG M10", "Leica M10"),
        ("Apple iPhone 12 Pro", "Apple iPhone 12 Pro"),
        ("samsung SM-G991B", "Samsung SM-G991B"),
        ("SAMSUNG TECHWIN Co. SAMSUNG D60", "Samsung D60"),
        ("HUAWEI VOG-L29", "Huawei VOG-L29"),
        ("Google Pixel 7", "Google Pixel 7"),
        ("motorola moto g(7)", "Motorola moto g(7)"),
        ("LG Electronics LG-H870", "LG H870"),
        ("LGE Nexus 5", "LG Nexus 5"),
        ("HMD Global Nokia 7.2", "Nokia 7.2"),
        ("CASIO COMPUTER CO.,LTD. EX-Z750", "Casio EX-Z750"),
        ("Konica Minolta Camera, Inc. DiMAGE Z2", "Konica Minolta DiMAGE Z2"),
        ("KONICA MINOLTA DYNAX 5D", "Konica Minolta Dynax 5D"),
        ("Hewlett-Packard HP PhotoSmart R707", "HP PhotoSmart R707"),
        ("SIGMA SIGMA DP2", "Sigma DP2"),
        ("Hasselblad L1D-20c", "Hasselblad L1D-20c"),
        ("DJI FC3170", "DJI FC3170"),
        ("GoPro HERO9 Black", "GoPro HERO9 Black"),
        ("OnePlus ONEPLUS A6013", "OnePlus A6013"),
        ("ASUS ASUS_Z01RD", "Asus Z01RD"),
        ("Research In Motion BlackBerry 9800", "BlackBerry 9800"),
        ("SANYO Electric Co.,Ltd. S5", "Sanyo S5"),
        ("SEIKO EPSON CORP. PerfectionV700", "Epson PerfectionV700"),
        ("vivo vivo 1904", "Vivo 1904"),
        ("Phase One P65+", "Phase One P65+"),
    ],
)
def test_a_camera_has_the_name_that_people_use(written: str, name: str) -> None:
    assert camera_name(written) == name
    assert camera_name(f"  {written.replace(' ', '  ')} ") == name
    assert camera_name(name) == name, "a name stays what it is"


@pytest.mark.parametrize(
    "written", ["D750", "Pixel 7", "Canonet 28", "Sonya's phone", "ЗЕНИТ-Е", "weird maker X-12", "", "LGX 5", "HPV-1"]
)
def test_what_is_no_known_maker_is_left_alone(written: str) -> None:
    assert camera_name(written) == written


@given(st.text())
def test_any_text_has_a_name(written: str) -> None:
    assert bool(camera_name(written)) == bool(written.split())
