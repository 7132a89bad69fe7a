// The source of a sample, with its sound: plays the span or a sentence of it, and shows where it is on a waveform.

/** Wire the video beside `player`, whose sentences follow it. Returns null where there is no source. */
export function source(player) {
  const root = document.getElementById("source");
  if (!root) return null;
  const video = document.getElementById("video");
  const state = document.getElementById("source-state");
  const wave = document.getElementById("wave");
  const now = document.getElementById("wave-now");
  const [start, end] = [Number(root.dataset.start), Number(root.dataset.end)];
  let until = end; // milliseconds where it stops

  function seek(ms) {
    until = end;
    video.currentTime = Math.max(start, Math.min(ms, end)) / 1000;
  }

  function play(from, to) {
    seek(from);
    until = to;
    video.play().catch((error) => (state.textContent = `It cannot be played: ${error.message}`));
  }

  function toggle() {
    if (!video.paused) return video.pause();
    const at = video.currentTime * 1000;
    play(at >= start && at < end - 50 ? at : start, end);
  }

  video.addEventListener("loadedmetadata", () => seek(start), { once: true });
  video.addEventListener("error", () => (state.textContent = "This browser cannot play the source."));
  video.addEventListener("timeupdate", () => {
    const at = video.currentTime * 1000;
    now.setAttribute("x", String(((at - start) / (end - start)) * 600));
    if (!video.paused && at >= until) video.pause();
    if (at >= start && at <= end) player.seek(at); // frames and sentences follow the sound
  });
  document.getElementById("source-play").addEventListener("click", () => play(start, end));
  document.getElementById("source-sentence").addEventListener("click", () => {
    const at = player.time;
    const span = player.data.sentences.findLast(([from]) => from <= at) || player.data.sentences[0];
    if (span) play(span[0], span[1]);
  });
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    if (event.detail) seek(start + ((event.clientX - box.left) / box.width) * (end - start));
    else toggle(); // by a key
  });
  draw();

  async function draw() {
    const answer = await fetch(root.dataset.waveform);
    const told = await answer.json();
    if (!answer.ok) return (state.textContent = `No waveform: ${told.error}`);
    const { peaks } = told;
    if (!peaks.length) return (state.textContent = "The source has no sound.");
    const width = 600 / peaks.length;
    const tall = 48 / Math.max(10, ...peaks); // the loudest fills the height; near silence stays flat
    const bars = peaks.map((peak, n) => `M${(n * width).toFixed(2)} ${(50 - peak * tall).toFixed(1)}V${(50.5 + peak * tall).toFixed(1)}`);
    document.getElementById("wave-path").setAttribute("d", bars.join(""));
  }

  return { seek, toggle };
}
