"""TFDS finds the builders however the two packages are imported, and nothing heavy is imported before."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("tensorflow", "tensorflow_datasets", "apache_beam", "cv2", "av")


def run_python(code: str, folder=None) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "code",
    [
        "import kinetics_tfds",
        "from kinetics_tfds import get_version, read_annotations; get_version('kinetics600').class_names",
        "import kinetics_tfds.cli.main",
        "import kinetics_tfds.decode.types, kinetics_tfds.clips.match",
    ],
)
def test_importing_the_package_imports_nothing_heavy(code):
    found = run_python(f"{code}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])")
    assert found.strip() == "[]"


@pytest.mark.parametrize(
    "imports",
    [
        "import tensorflow_datasets as tfds, kinetics_tfds",
        "import kinetics_tfds, tensorflow_datasets as tfds",
        # Modules of ours that import TFDS while they are imported themselves.
        "import kinetics_tfds.features, tensorflow_datasets as tfds",
        "from kinetics_tfds.builder import KineticsBuilder; import tensorflow_datasets as tfds",
        "from kinetics_tfds.kinetics600.kinetics600_dataset_builder import Builder; import tensorflow_datasets as tfds",
    ],
)
def test_tfds_finds_the_builders_whatever_is_imported_first(imports):
    code = f"""{imports}
import sys
assert "tensorflow" not in sys.modules and "apache_beam" not in sys.modules
for name in ("kinetics400", "kinetics600", "kinetics700", "kinetics700_2020"):
    cls = tfds.builder_cls(name)
    assert cls is tfds.builder_cls(name)
    print(cls.name, cls.KINETICS, cls.__module__)
"""
    assert run_python(code).splitlines() == [
        f"{name} {name} kinetics_tfds.{name}.{name}_dataset_builder"
        for name in ("kinetics400", "kinetics600", "kinetics700", "kinetics700_2020")
    ]


def test_tfds_still_finds_its_own():
    import tensorflow_datasets as tfds

    import kinetics_tfds  # noqa: F401 - registers the builders

    assert tfds.builder_cls("mnist").name == "mnist"
    with pytest.raises(tfds.core.DatasetNotFoundError):
        tfds.builder_cls("kinetics500")


def test_builders_loaded_by_path_do_not_collide_with_the_registered_ones(repo):
    """What `tfds build kinetics_tfds/kinetics600` does, and then the registered name in the same process."""
    code = """
import tensorflow_datasets as tfds
from tensorflow_datasets.scripts.cli import build
by_path, _ = build._get_builder_cls_and_kwargs("kinetics_tfds/kinetics600", has_imports=False)
by_name = tfds.builder_cls("kinetics600")
print(by_path.__module__, by_name.__module__)
print(by_path.name, by_name.name)
"""
    assert run_python(code, repo).splitlines() == [
        "kinetics600.kinetics600_dataset_builder kinetics_tfds.kinetics600.kinetics600_dataset_builder",
        "kinetics600 kinetics600",
    ]


def test_the_bare_name_works_inside_the_package(repo):
    code = """
from tensorflow_datasets.scripts.cli import build
print(build._get_builder_cls_and_kwargs("kinetics700_2020", has_imports=False)[0].KINETICS)
"""
    assert run_python(code, repo / "kinetics_tfds").strip() == "kinetics700_2020"


def test_public_names():
    import kinetics_tfds

    for name in kinetics_tfds.__all__:
        assert name in dir(kinetics_tfds)
        assert getattr(kinetics_tfds, name) is not None
    assert set(kinetics_tfds._HOMES) == set(kinetics_tfds.__all__)
    with pytest.raises(AttributeError, match="no attribute 'get_verison'"):
        _ = kinetics_tfds.get_verison
