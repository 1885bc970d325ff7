"""A run folder with what a resumed training reads before its state."""

from utils.anchors import format_anchors
from yolo4.train.setup import prepare
from yolo4.train.state.same_data import data_digest


def begun(config):
    """A run whose folder has what these tests need."""
    setup = prepare(config)
    setup.run.folder.mkdir()
    setup.run.config_file.write_text(setup.config.to_json())
    setup.run.classes_file.write_text("".join(f"{name}\n" for name in setup.class_names))
    setup.run.anchors_file.write_text(format_anchors(setup.anchors))
    data_digest(setup).save(setup.run.data_file)
    return setup
