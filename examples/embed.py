"""How alike are a video and a text? python examples/embed.py RUN VIDEO "What is said or seen in it. In sentences." """

import sys

from longtake.jobs import read_video
from longtake.model import Embedder

if __name__ == "__main__":  # needed: videos are decoded in a process of their own
    run, video, text = sys.argv[1:]
    embedder = Embedder.load(run)
    video_vector = embedder.frames(read_video(video, embedder.frame_count))
    text_vector = embedder.text(text)
    print(f"cosine {float(video_vector @ text_vector):.4f}")
