"""Whether CuPy and a GPU can be used here; if not, the reason and the remedy.

CuPy itself reports problems late and in general terms: two installed packages are only a warning,
and a missing driver or library shows at the first array or product. Here the checks come first, the
cheap ones before the others:

    is CuPy installed?   by one package?   is there a driver?   does CuPy import?   is the driver
    new enough?   is there a device?   does it answer?   are CUDA's libraries and headers installed?

A driver runs programs that were built for its own major version of CUDA or an earlier one. Versions
are CUDA's numbers: 13020 is 13.2.
Source: NVIDIA, CUDA Compatibility, "Minor Version Compatibility", table 1; the CUDA runtime's
reference, "Version Management" and "Error Handling".
"""

import ctypes
import importlib.metadata
import importlib.util
import os

from tinynet.backends import BackendError

from .choice import own_device

NO_DEVICE = 100  # cudaErrorNoDevice
OLDEST_CUDA = 12  # the oldest that CuPy 14 supports
DRIVER = "NVIDIA's driver 580 or later (CUDA 13)"


def find_cupy():
    """The cupy module, if it can compute here. Raises BackendError with the reason and the remedy
    if it cannot."""
    driver = driver_version()
    packages = installed_packages()
    check_packages(packages, driver)
    check_driver(driver)
    cupy = import_cupy(driver)
    runtime = cupy.cuda.runtime
    check_driver_fits(driver, runtime.runtimeGetVersion(), packages[0])
    check_devices(runtime)
    check_libraries(cupy.cuda, driver)
    check_headers(find_headers(), driver)
    return cupy


# --- facts ----------------------------------------------------------------------------------------


def driver_version():
    """The newest CUDA that the driver runs, 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    version = ctypes.c_int(0)
    driver.cuDriverGetVersion(ctypes.byref(version))
    return version.value


def installed_packages():
    """The names of the installed packages that contain a cupy folder; ["cupy"] for a folder that
    belongs to no package."""
    if importlib.util.find_spec("cupy") is None:
        return []
    return sorted(set(importlib.metadata.packages_distributions().get("cupy", ["cupy"])))


def find_headers():
    """The folder of CUDA's headers, which CuPy needs to compile its own kernels; None where CuPy
    would not find it, "" where CuPy does not look for it (before version 14)."""
    try:
        from cuda.pathfinder import find_nvidia_header_directory
    except ImportError:
        return ""
    return find_nvidia_header_directory("cudart")


# --- checks --------------------------------------------------------------------------------------


def check_packages(packages, driver):
    """Exactly one package is installed: two would write into one folder and leave a mixture."""
    if not packages:
        without = "" if driver else " and no NVIDIA driver answers"
        raise _unusable(f"CuPy is not installed{without}", _install_cupy(driver))
    if len(packages) > 1:
        raise _unusable(
            f"{len(packages)} CuPy packages are installed in one place, {', '.join(packages)}",
            f"pip uninstall {' '.join(packages)}, then {_install_cupy(driver)}",
        )


def check_driver(driver):
    """There is a driver."""
    if not driver:
        raise _unusable(
            "no NVIDIA driver answers",
            f"install {DRIVER}, or let a container have it (docker run --gpus all)",
        )


def import_cupy(driver):
    """The cupy module."""
    try:
        import cupy
    except Exception as error:  # ValueError for a NumPy that does not fit, any for a broken file
        # CuPy wraps the original error in a page of advice.
        raise _unusable(
            f"CuPy is installed but cannot be imported ({_line(error.__cause__ or error)})",
            f"pip uninstall it, then {_install_cupy(driver)}",
        ) from error
    return cupy


def check_driver_fits(driver, runtime, package):
    """The driver has the major version of CUDA that CuPy was built for, or a later one."""
    if driver // 1000 >= runtime // 1000:
        return
    remedy = f"install an NVIDIA driver for CUDA {runtime // 1000} or later"
    if driver // 1000 >= OLDEST_CUDA:
        remedy = f"pip uninstall {package}, then {_install_cupy(driver)}; or {remedy}"
    raise _unusable(
        f"the NVIDIA driver (CUDA {_words(driver)}) is too old for {package} "
        f"(CUDA {_words(runtime)})",
        remedy,
    )


def check_devices(runtime):
    """There is a GPU, and the one that this process takes answers; from here on it is CuPy's
    current one."""
    try:
        count = runtime.getDeviceCount()
        if count:
            own = own_device(count)
            if own is not None:
                runtime.setDevice(own)
            runtime.deviceSynchronize()
    except runtime.CUDARuntimeError as error:
        if error.status != NO_DEVICE:
            raise _unusable(
                f"the GPU does not answer ({_line(error)})",
                "nvidia-smi tells whether it is in use, or the machine needs a restart",
            ) from error
        count = 0
    if not count:
        raise _no_device(os.environ.get("CUDA_VISIBLE_DEVICES"))


def _no_device(visible):
    if visible is None:
        return _unusable("the driver finds no NVIDIA GPU", "nvidia-smi -L must list one")
    return _unusable(
        f"no NVIDIA GPU is visible with CUDA_VISIBLE_DEVICES={visible!r}",
        "unset it, or give it a number that nvidia-smi -L lists",
    )


def check_libraries(cuda, driver):
    """The kernel compiler (NVRTC) and the library of matrix products (cuBLAS) are installed: CuPy's
    packages do not contain them."""
    try:
        cuda.nvrtc.getVersion()
        cuda.cublas.getVersion(0)
    except (ImportError, OSError, RuntimeError) as error:
        raise _unusable(
            f"a library of CUDA's is not installed ({_line(error)})", _install_cupy(driver)
        ) from error


def check_headers(folder, driver):
    """CUDA's headers are installed."""
    if folder is None:
        raise _unusable("CUDA's headers are not installed", _install_cupy(driver))


# --- messages -------------------------------------------------------------------------------------


def _unusable(reason, remedy):
    text = f"backend 'cupy' cannot be used: {reason}; {remedy}; numba and numpy need no GPU"
    return BackendError(text, reason)


def _install_cupy(driver):
    """How to install the CuPy that fits a driver, with CUDA's libraries: [ctk]."""
    major = driver // 1000
    first = "" if major >= OLDEST_CUDA else f"install {DRIVER}, then "
    return f"{first}pip install 'cupy-cuda{12 if major == 12 else 13}x[ctk]'"


def _words(version):
    return f"{version // 1000}.{version % 1000 // 10}"


def _line(error):
    """An error's text in one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
