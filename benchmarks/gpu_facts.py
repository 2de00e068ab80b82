"""What a result on a GPU was measured with."""

import datetime
import platform
import shutil
import subprocess

import numpy as np

import tinynet as tn


def description(torch=None) -> dict:
    """What a result was measured with: plain values, for JSON. torch: the module, or None."""
    import cupy

    runtime, device = cupy.cuda.runtime, cupy.cuda.Device()
    about = runtime.getDeviceProperties(device.id)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    versions |= {"tinynet": tn.__version__, "cupy": cupy.__version__}
    versions |= {"cublas": cupy.cuda.cublas.getVersion(cupy.cuda.device.get_cublas_handle())}
    if torch is not None:
        versions |= {"torch": torch.__version__, "torch_cuda": torch.version.cuda}
        versions |= {"cudnn": torch.backends.cudnn.version()}
    return {
        "gpu": about["name"].decode(),
        "compute_capability": f"{about['major']}.{about['minor']}",
        "multiprocessors": about["multiProcessorCount"],
        "memory_bytes": about["totalGlobalMem"],
        "l2_bytes": about["l2CacheSize"],
        "driver": driver_version(),
        "driver_cuda": runtime.driverGetVersion(),
        "runtime_cuda": runtime.runtimeGetVersion(),
        **versions,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def driver_version() -> str | None:
    """As nvidia-smi tells it, such as 580.159.04; None where it does not."""
    if shutil.which("nvidia-smi") is None:
        return None
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.partition("\n")[0].strip() or None
