import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from patentlab.sweep import devices
from patentlab.sweep.devices import claim_device, visible_devices
from tests.conftest import ROOT

CLAIM = "from patentlab.sweep.devices import claim_device; from pathlib import Path; import sys, time; "
CLAIM += "print(claim_device(['0', '1'], Path(sys.argv[1])), flush=True); time.sleep(60)"


def test_each_process_gets_a_device_of_its_own_and_a_third_waits(tmp_path: Path):
    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, "-c", CLAIM, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def device(worker: "subprocess.Popen[str]") -> str:
        assert worker.stdout is not None
        return worker.stdout.readline().strip()

    workers = [start(), start()]
    try:
        assert {device(worker) for worker in workers} == {"0", "1"}
        workers.append(start())
        assert workers[2].stdout is not None
        assert select.select([workers[2].stdout], [], [], 3)[0] == []
        workers[0].kill()  # what it held is free again
        assert device(workers[2]) in ("0", "1")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_a_process_stays_on_its_device_and_sees_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "_claimed", [])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 3")
    assert visible_devices() == ["2", "3"]
    assert claim_device(folder=tmp_path) == "2"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2"
    assert claim_device(folder=tmp_path) == "2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_devices() == []


def test_a_machine_without_a_device_claims_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(devices, "_claimed", [])
    assert claim_device([], tmp_path) is None
