"""What a user would write without cam-audit: OpenCV reads, onnxruntime runs, OpenCV draws and writes a PNG.

Waits for a line on stdin, does all the photos once, prints the seconds on the clock and of the processor, and waits
again; `throughput.py` starts it.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

SIDE = 224


def main(model: str, photos: list[str], out: Path) -> None:
    """Do the photos whenever a line comes in."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    # some nets' activations are the maps of the classes already
    weighted = "cam_weight" in [output.name for output in session.get_outputs()]
    names = ["logits", "activations", *(["cam_weight"] if weighted else [])]
    print("ready", flush=True)
    for _ in sys.stdin:
        begin, processor = time.perf_counter(), time.process_time()
        with (out / "scores.csv").open("w", newline="") as file:
            table = csv.writer(file)
            for number, photo in enumerate(photos):
                bgr = cv2.imread(photo)
                scale = SIDE / min(bgr.shape[:2])
                small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)
                logits, activations, *weight = session.run(names, {"image": rgb[None]})
                best = int(logits[0].argmax())
                cam = np.tensordot(weight[0][best], activations[0], axes=1) if weight else activations[0, best]
                cam = (cam - cam.min()) / (cam.max() - cam.min() or 1)
                heat = cv2.resize(np.uint8(cam * 255), bgr.shape[1::-1], interpolation=cv2.INTER_CUBIC)
                overlay = cv2.addWeighted(bgr, 0.5, cv2.applyColorMap(heat, cv2.COLORMAP_JET), 0.5, 0)
                cv2.imwrite(str(out / f"{number}.png"), cv2.hconcat([bgr, overlay]))
                table.writerow([photo, best, logits[0, best]])
        print(time.perf_counter() - begin, time.process_time() - processor, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_text().splitlines(), Path(sys.argv[3]))
