"""Endings of what cannot be text: checkpoints, images, archives … are never opened."""

import os

NO_TEXT = {
    "checkpoint": "pth pt ckpt safetensors bin onnx h5 hdf5 keras pkl pickle joblib gguf ggml msgpack distcp tflite pb "
    "engine weights caffemodel pdparams pdopt pdmodel pdiparams pdstates mar",
    "array file": "npy npz mat parquet arrow feather orc avro tfrecord tfrecords mdb lmdb db sqlite sqlite3 wandb",
    "image": "png jpg jpeg gif bmp tif tiff webp ico heic exr psd dcm nii",
    "document": "pdf docx xlsx pptx odt",
    "video": "mp4 avi mov mkv webm mpg mpeg m4v flv wmv",
    "audio file": "wav mp3 flac ogg m4a aac opus",
    "archive": "tar tgz tbz tbz2 txz tzst zip 7z rar whl egg jar deb rpm iso sif squashfs",
    "compiled file": "so dll dylib exe pyc pyo pyd class cubin ptx nsys-rep ncu-rep qdrep",
}
KINDS = {ending: kind for kind, endings in NO_TEXT.items() for ending in endings.split()}
SMALL_BIN_BYTES = 4 << 20
COMPRESSED = ("gz", "bz2", "xz", "zst")


def ending_of_no_text(name: str) -> tuple[str, str] | None:
    """(kind, ending) of a file that cannot be text: `x.tar.gz` → archive, .tar.gz; None for what may be a log."""
    stem, _, last = name.lower().rpartition(".")
    ending = f".{last}"
    if last in COMPRESSED:
        last = stem.rpartition(".")[2] if "." in stem else ""
        ending = f".{last}{ending}"
    if kind := KINDS.get(last):
        return (kind, ending) if stem else None
    return ("TensorBoard file", ".tfevents*") if ".tfevents." in name else None


def may_be_text(entry: os.DirEntry[str]) -> bool:
    """`.bin` ends weights and captured terminal output alike: a small one is looked into."""
    return entry.name.lower().endswith(".bin") and entry.stat(follow_symlinks=False).st_size <= SMALL_BIN_BYTES
