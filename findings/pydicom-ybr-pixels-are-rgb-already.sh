#!/usr/bin/env bash
# pydicom 3.0.2: `pixel_array` of a picture in YBR_FULL (ultrasound, endoscopy) is RGB, but PhotometricInterpretation goes
# on saying YBR_FULL. One could guess that the two belong together: code of pydicom 2 that converts by it, as
# `convert_color_space(ds.pixel_array, ds.PhotometricInterpretation, "RGB")`, now does so twice, without a word: a red of
# 200, 30, 60 is 103, 255, 26, a green. pixel_array(ds, raw=True) of pydicom.pixels is what is in the file.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"; "$work/venv/bin/pip" install -q 'pydicom==3.0.2' 'numpy==2.4.6'
cat >"$work/show.py" <<'PY'
import os
import tempfile

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import convert_color_space, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

red = np.full((2, 2, 3), (200, 30, 60), np.uint8)
ds = Dataset()
ds.file_meta = FileMetaDataset()
ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = SecondaryCaptureImageStorage
ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "1.2.3"
ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PlanarConfiguration = 2, 2, 3, 0
ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
ds.PhotometricInterpretation = "YBR_FULL"
ds.PixelData = convert_color_space(red, "RGB", "YBR_FULL").tobytes()
path = os.path.join(tempfile.mkdtemp(), "red.dcm")
ds.save_as(path, enforce_file_format=True)

ds = pydicom.dcmread(path)
pixels = ds.pixel_array
print("pixel_array", *pixels[0, 0], ds.PhotometricInterpretation)
print("converted", *convert_color_space(pixels, ds.PhotometricInterpretation, "RGB")[0, 0])
print("raw", *pixel_array(ds, raw=True)[0, 0], "converted", *convert_color_space(pixel_array(ds, raw=True), "YBR_FULL", "RGB")[0, 0])
PY
shown=$("$work/venv/bin/python" "$work/show.py" 2>/dev/null)
[[ $shown == $'pixel_array 200 30 59 YBR_FULL\nconverted 103 255 26\nraw 84 114 211 converted 200 30 59' ]] || { echo "it is otherwise now: $shown"; exit 1; }
echo "pixels that pydicom calls YBR_FULL are RGB"
