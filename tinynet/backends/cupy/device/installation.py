"""Whether CuPy and a GPU can be used here; where not, what is wrong and what to do about it.

CuPy itself tells late, and in words for every GPU program: two of its packages at once are a
warning, a missing driver or library shows at the first array or product. Here the questions are
asked beforehand, the cheap ones first:

    CuPy there?   one package of it?   a driver?   does CuPy import?   is the driver new enough?
    a device?   does it answer?   are CUDA's libraries there?

A driver runs programs made for the CUDA of its own major version or an earlier one; versions are
numbers as CUDA gives them, 13020 for 13.2.
Source: NVIDIA, CUDA Compatibility, "Minor Version Compatibility", table 1; the CUDA runtime's
reference, "Version Management" and "Error Handling".
"""

import ctypes
import importlib.metadata
import importlib.util
import os

from tinynet.backends import BackendError

NO_DEVICE = 100  # cudaErrorNoDevice
OLDEST_CUDA = 12  # the oldest that there is a CuPy 14 for
DRIVER = "NVIDIA's driver 580 or later (CUDA 13)"


def find_cupy():
    """The cupy module, on a machine where it can compute. Raises BackendError with the reason why
    it cannot, and the remedy."""
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
    """The names of the packages that brought a cupy folder here; ["cupy"] where one lies here that
    no package knows of."""
    if importlib.util.find_spec("cupy") is None:
        return []
    return sorted(set(importlib.metadata.packages_distributions().get("cupy", ["cupy"])))


def find_headers():
    """The folder of CUDA's headers, with which CuPy compiles its own kernels; None where CuPy would
    find none, "" where it does not ask (before version 14)."""
    try:
        from cuda.pathfinder import find_nvidia_header_directory
    except ImportError:
        return ""
    return find_nvidia_header_directory("cudart")


# --- what they mean -------------------------------------------------------------------------------


def check_packages(packages, driver):
    """Exactly one: two write into one folder, and what is left is a mixture of both."""
    if not packages:
        without = "" if driver else " and no NVIDIA driver answers"
        raise _unusable(f"CuPy is not installed{without}", _install_cupy(driver))
    if len(packages) > 1:
        raise _unusable(
            f"{len(packages)} CuPy packages are installed in one place, {', '.join(packages)}",
            f"pip uninstall {' '.join(packages)}, then {_install_cupy(driver)}",
        )


def check_driver(driver):
    """A driver is there."""
    if not driver:
        raise _unusable(
            "no NVIDIA driver answers",
            f"install {DRIVER}, or let a container have it (docker run --gpus all)",
        )


def import_cupy(driver):
    """The cupy module."""
    try:
        import cupy
    except Exception as error:  # a NumPy that does not fit is a ValueError, a broken file anything
        # CuPy puts a page of advice round the error that it met itself.
        raise _unusable(
            f"CuPy is installed but cannot be imported ({_line(error.__cause__ or error)})",
            f"pip uninstall it, then {_install_cupy(driver)}",
        ) from error
    return cupy


def check_driver_fits(driver, runtime, package):
    """The driver is of the major version that CuPy was made for, or a later one."""
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
    """There is a GPU, and the first one answers."""
    try:
        count = runtime.getDeviceCount()
        if count:
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
    """The compiler of the kernels and the library of matrix products are there: CuPy's packages do
    not hold them."""
    try:
        cuda.nvrtc.getVersion()
        cuda.cublas.getVersion(0)
    except (ImportError, OSError, RuntimeError) as error:
        raise _unusable(
            f"a library of CUDA's is not installed ({_line(error)})", _install_cupy(driver)
        ) from error


def check_headers(folder, driver):
    """CUDA's headers are there."""
    if folder is None:
        raise _unusable("CUDA's headers are not installed", _install_cupy(driver))


# --- words ----------------------------------------------------------------------------------------


def _unusable(reason, remedy):
    text = f"backend 'cupy' cannot be used: {reason}; {remedy}; numba and numpy need no GPU"
    return BackendError(text, reason)


def _install_cupy(driver):
    """How to get the CuPy that fits a driver, with CUDA's libraries: [ctk]."""
    major = driver // 1000
    first = "" if major >= OLDEST_CUDA else f"install {DRIVER}, then "
    return f"{first}pip install 'cupy-cuda{12 if major == 12 else 13}x[ctk]'"


def _words(version):
    return f"{version // 1000}.{version % 1000 // 10}"


def _line(error):
    """An error's text in one line, or its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
