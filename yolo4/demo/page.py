"""The page in the browser, made with Gradio."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio import themes

from utils.postprocess import PREDICTION
from yolo4.demo.answers import Answers, Upload

STYLE = Path(__file__).with_name("demo.css")
_FONTS = ["Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif"]
_FIXED_FONTS = ["Consolas", "DejaVu Sans Mono", "monospace"]
# Seconds between two looks for old uploads, and from when on they are old.
_DELETE = (60, 600)
_LEAST_WIDTH = 280
_PROGRESS = gr.Progress()


def system_fonts() -> themes.Base:
    """Gradio's theme with the fonts of the person's machine rather than those of Google."""
    fonts, fixed = ([themes.Font(name) for name in names] for names in (_FONTS, _FIXED_FONTS))
    theme = themes.Default(font=fonts, font_mono=fixed)
    # Gradio's own gray is hard to read.
    return theme.set(
        block_info_text_color="*neutral_600", block_info_text_color_dark="*neutral_300"
    )


def make_page(answers: Answers) -> gr.Blocks:
    """The page; Gradio hands over uploads as files, without decoding them."""

    def to_video(
        upload: Upload | None, score: float, nms: float, progress: gr.Progress = _PROGRESS
    ) -> str:
        def report(done: int, frames: int) -> Any:
            return progress((done, frames), unit="frames")

        return answers.to_video(upload, score, nms, report)

    listening: dict[str, Any] = {
        "preprocess": False,
        "api_visibility": "private",
        "concurrency_id": "network",
        "concurrency_limit": 1,
    }
    # The parts are made in the order in which the page shows them.
    with gr.Blocks(title="Detections", analytics_enabled=False, delete_cache=_DELETE) as page:
        thresholds = _sliders()
        seen = gr.State()
        image, pictures = _image_tab()
        video, start, played = _video_tab()
        image.change(answers.to_image, [image, *thresholds], [seen, pictures], **listening)
        gr.on(
            [slider.change for slider in thresholds],
            answers.to_thresholds,
            [seen, *thresholds],
            pictures,
            trigger_mode="always_last",
            show_progress="hidden",
            **listening,
        )
        start.click(to_video, [video, *thresholds], played, **listening)
    return page


def _image_tab() -> tuple[gr.Image, gr.HTML]:
    with gr.Tab("Image"), gr.Row():
        with gr.Column(scale=1, min_width=_LEAST_WIDTH):
            image = gr.Image(
                label="Image",
                type="filepath",
                sources=["upload", "webcam", "clipboard"],
                webcam_options=gr.WebcamOptions(mirror=False),
                buttons=[],
            )
        with gr.Column(scale=3, min_width=_LEAST_WIDTH):
            pictures = gr.HTML()
    return image, pictures


def _video_tab() -> tuple[gr.Video, gr.Button, gr.HTML]:
    with gr.Tab("Video"), gr.Row():
        with gr.Column(scale=1, min_width=_LEAST_WIDTH):
            video = gr.Video(label="Video", sources=["upload"], buttons=[])
            start = gr.Button("Find objects", variant="primary")
        with gr.Column(scale=3, min_width=_LEAST_WIDTH):
            played = gr.HTML()
    return video, start, played


def _sliders() -> tuple[gr.Slider, gr.Slider]:
    with gr.Row():
        score = gr.Slider(
            0,
            1,
            PREDICTION.score_threshold,
            step=0.01,
            label="Score threshold",
            info="lowest score of a detection",
        )
        nms = gr.Slider(
            0,
            1,
            PREDICTION.nms_threshold,
            step=0.01,
            label="NMS threshold",
            info="overlap above which the lower-scoring of two boxes is suppressed",
        )
    return score, nms
