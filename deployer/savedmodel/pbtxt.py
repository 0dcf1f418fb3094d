"""Parse `saved_model.pbtxt`, the text form of a SavedModel, from an untrusted source."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.message import DecodeError, Message

from deployer.errors import BrokenModel
from deployer.savedmodel.recognise import HEAD_BYTES, sniff_text

MAX_BYTES = 64 << 20
"""Python's text format parser reads a few megabytes per second."""
EXPORT_AGAIN = "copy or export the model again"


def parse(path: Path, message: Message) -> None:
    """Parse the file into `message`.

    Raises BrokenModel if it is not a SavedModel, nested too deeply or too large.
    """
    from google.protobuf import text_format

    if path.stat().st_size > MAX_BYTES:
        raise BrokenModel(
            f"{path} is larger than {MAX_BYTES >> 20} MB, too large for text", hint="save the model as saved_model.pb"
        )
    try:
        text = path.read_text(encoding="utf-8")
        text_format.Parse(text, message)
        type(message).FromString(message.SerializeToString())
    except (RecursionError, DecodeError) as error:
        raise BrokenModel(f"{path} is nested deeper than TensorFlow reads it", hint=EXPORT_AGAIN) from error
    except UnicodeDecodeError as error:
        raise BrokenModel(f"{path} is no text", hint=EXPORT_AGAIN) from error
    except (text_format.ParseError, ValueError) as error:
        recognised = sniff_text(text[:HEAD_BYTES])
        what = f"it is {recognised.what}" if recognised else f"line {str(error).strip():.200}"
        raise BrokenModel(
            f"{path} is not a SavedModel: {what}", hint=recognised.hint if recognised else EXPORT_AGAIN
        ) from error
