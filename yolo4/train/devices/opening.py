"""Opens the devices of a training. TensorFlow wants that before it computes anything."""

import contextlib
import functools

import keras

from utils.errors import UserError
from yolo4.config import Config
from yolo4.environment.devices import Cluster, DeviceChoice
from yolo4.train.devices.devices import ONE_DEVICE, Devices


def open_devices(config: Config) -> Devices:
    """Open the devices that the settings ask for; later calls return the same ones.

    Raises:
        UserError: they are not there, or the training cannot be divided among them.
    """
    devices = _open(config.devices)
    _require_divisible(config, devices)
    return devices


@functools.cache
def _open(setting: str) -> Devices:
    choice, cluster = DeviceChoice.parse(setting), Cluster.of_environment()
    backend = keras.backend.backend()
    if cluster.workers > 1 and backend != "tensorflow":
        raise UserError(
            f"TF_CONFIG names {cluster.workers} workers, which need KERAS_BACKEND=tensorflow, not "
            f"{backend}"
        )
    if backend == "tensorflow":
        return _open_tensorflow(choice, cluster)
    if backend == "jax":
        return _open_jax(choice)
    if choice != DeviceChoice() and choice.count != 1:
        raise UserError(f"--devices {setting}: {backend} trains on one device here")
    return ONE_DEVICE


def _require_divisible(config: Config, devices: Devices) -> None:
    if devices.count == 1:
        return
    sizes = {"--batch-size": config.batch_size}
    if config.freeze_epochs:
        sizes["--freeze-batch-size"] = config.freeze_batch_size
    for flag, size in sizes.items():
        if size % devices.count:
            raise UserError(
                f"{flag} is {size}; it must be a multiple of the {devices.count} devices, on which "
                "each batch is divided"
            )
    if not devices.strategy:
        return
    if config.confidence_loss == "ohem":
        raise UserError(
            "--confidence-loss ohem chooses among all images of a batch, which several devices "
            "divide; use --devices 1, or KERAS_BACKEND=jax"
        )
    if config.precision == "float16":
        raise UserError(
            "--precision float16 scales the loss, which is not done on several devices; use "
            "bfloat16 or float32, or --devices 1"
        )


def _chosen_gpus(choice: DeviceChoice, count: int) -> list[int]:
    """The numbers of the GPUs that train; none: the CPU does.

    Raises:
        UserError: there are fewer.
    """
    numbers = list(choice.gpus) or list(range(count if choice.count is None else choice.count))
    if choice.count == 1 and not count:
        return []
    if numbers and max(numbers) >= count:
        wanted = ",".join(map(str, choice.gpus)) or str(choice.count)
        found = f"{count} GPUs" if count else "no GPU that the backend can use"
        raise UserError(
            f"--devices is {wanted}, but this machine has {found}; cpu:2 tries two devices without"
        )
    return numbers


def _open_tensorflow(choice: DeviceChoice, cluster: Cluster) -> Devices:
    import tensorflow as tf

    if choice.cpus:
        return _open_cpus(choice.cpus, cluster)
    gpus = tf.config.list_physical_devices("GPU")
    numbers = _chosen_gpus(choice, len(gpus))
    if cluster.workers > 1:
        if len(numbers) < len(gpus):
            tf.config.set_visible_devices([gpus[number] for number in numbers], "GPU")
        # Each exchange of another length is traced anew, of which TensorFlow would warn.
        tf.get_logger().setLevel("ERROR")
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        return Devices(strategy.num_replicas_in_sync, cluster, strategy)
    if len(numbers) < 2:
        return ONE_DEVICE
    names = [f"GPU:{number}" for number in numbers]
    return Devices(len(names), strategy=tf.distribute.MirroredStrategy(names))


def _open_cpus(count: int, cluster: Cluster) -> Devices:
    import tensorflow as tf

    if cluster.workers > 1:
        raise UserError(
            f"--devices cpu:{count} is for one machine, but TF_CONFIG names {cluster.workers} "
            "workers; without GPUs each of them has one device"
        )
    (cpu,) = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError:  # it has computed something
        found = len(tf.config.list_logical_devices("CPU"))
        if found != count:
            raise UserError(
                f"--devices cpu:{count}: TensorFlow has begun with {found} CPU devices in this "
                "process; start a new one"
            ) from None
    if count == 1:
        return ONE_DEVICE
    names = [f"CPU:{number}" for number in range(count)]
    return Devices(count, strategy=tf.distribute.MirroredStrategy(names))


def _open_jax(choice: DeviceChoice) -> Devices:
    import jax  # pyright: ignore[reportMissingImports]  # not a requirement

    if choice.cpus:
        with contextlib.suppress(RuntimeError):  # it has computed something
            jax.config.update("jax_platforms", "cpu")
            jax.config.update("jax_num_cpu_devices", choice.cpus)
        names = keras.distribution.list_devices("cpu")
        if len(names) != choice.cpus:
            raise UserError(
                f"--devices cpu:{choice.cpus}: JAX has begun with {len(names)} CPU devices; set "
                f"XLA_FLAGS=--xla_force_host_platform_device_count={choice.cpus}"
            )
    else:
        found = keras.distribution.list_devices()
        gpus = [name for name in found if not name.startswith("cpu")]
        names = [gpus[number] for number in _chosen_gpus(choice, len(gpus))]
    if len(names) < 2:
        return ONE_DEVICE
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
    return Devices(len(names))
