// Plays a long clip: the frame on screen is the last one taken at or before the time, as a video would show it.

const AHEAD = 24; // frames that are fetched before they are needed

export class Player {
  /** `data` is what sample_pages.player_data gives; times are milliseconds of the video. */
  constructor(root, data, sentences) {
    this.data = data;
    this.sentences = sentences;
    this.find = (id) => root.querySelector(`#${id}`);
    this.picture = this.find("frame");
    this.images = [];
    this.time = data.start;
    this.shown = -1;
    this.sentence = -2;
    this.playing = false;
    this.stills = [...document.querySelectorAll(".still")];
    this.bars = [...root.querySelectorAll(".scrub rect")];
    this.find("play").addEventListener("click", () => this.toggle());
    this.find("back").addEventListener("click", () => this.step(-1));
    this.find("on").addEventListener("click", () => this.step(1));
    this.find("scrub").addEventListener("input", (event) => this.seek(data.start + Number(event.target.value)));
    this.find("speed").addEventListener("change", () => (this.last = undefined));
    this.seek(data.start);
  }

  get speed() {
    return Number(this.find("speed").value);
  }

  /** Times of frames that rise, as they are shown; the first is shown from the start on. */
  frameAt(time) {
    const taken = this.data.taken;
    let low = 0;
    let high = taken.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (taken[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return taken.length ? low : -1;
  }

  image(number) {
    if (number < 0 || number >= this.data.taken.length) return null;
    if (!this.images[number]) {
      const image = new Image();
      image.src = `${this.data.frames}/${number}.jpg`;
      this.images[number] = image;
    }
    return this.images[number];
  }

  seek(time, frame = this.frameAt(time)) {
    const { start, end } = this.data;
    this.time = Math.max(start, Math.min(time, end));
    this.show(frame);
    this.find("scrub").value = String(this.time - start);
    this.find("scrub").setAttribute("aria-valuetext", clock(this.time));
    this.find("clock").textContent = clock(this.time);
    this.say(this.data.sentences.findIndex(([from, to]) => from <= this.time && this.time < to));
  }

  show(number) {
    if (number === this.shown) return;
    this.stills[this.shown]?.classList.remove("now");
    this.shown = number;
    if (number < 0) return;
    this.picture.src = this.image(number).src;
    this.picture.alt = `Frame ${number + 1}`;
    this.stills[number]?.classList.add("now");
    for (let next = number + 1; next <= number + AHEAD; next += 1) this.image(next);
    const { wanted, taken } = this.data;
    const off = taken[number] - wanted[number];
    this.find("frame-facts").textContent =
      `Frame ${number + 1} of ${taken.length}: wanted at ${exact(wanted[number])}, taken at ${exact(taken[number])} (${off > 0 ? "+" : ""}${off} ms)`;
  }

  say(number) {
    if (number === this.sentence) return;
    const items = this.sentences.children;
    items[this.sentence]?.classList.remove("now");
    items[this.sentence]?.querySelector(".say").removeAttribute("aria-current");
    this.bars[this.sentence]?.classList.remove("now");
    this.sentence = number;
    const item = items[number];
    item?.classList.add("now");
    item?.querySelector(".say").setAttribute("aria-current", "true");
    this.bars[number]?.classList.add("now");
    this.find("subtitle").textContent = item ? item.querySelector(".say span:last-child").textContent : "";
  }

  toggle() {
    this.playing ? this.pause() : this.play();
  }

  play() {
    if (this.time >= this.data.end) this.seek(this.data.start);
    this.playing = true;
    this.last = undefined;
    this.label();
    requestAnimationFrame((now) => this.tick(now));
  }

  pause() {
    this.playing = false;
    this.label();
  }

  label() {
    this.find("play").textContent = this.playing ? "Pause" : "Play";
    this.find("play").setAttribute("aria-pressed", String(this.playing));
  }

  tick(now) {
    if (!this.playing) return;
    const next = this.image(this.frameAt(this.time + 1));
    const passed = this.last === undefined || !next?.complete ? 0 : (now - this.last) * this.speed; // waits for frames
    this.last = now;
    this.seek(this.time + passed);
    if (this.time >= this.data.end) return this.pause();
    requestAnimationFrame((then) => this.tick(then));
  }

  /** Show another frame, at the time that it was wanted for. */
  step(by) {
    this.toFrame(Math.max(0, Math.min(this.shown + by, this.data.taken.length - 1)));
  }

  toFrame(number) {
    this.pause();
    if (number >= 0) this.seek(Math.max(this.data.wanted[number], this.data.start), number);
  }

  toSentence(number) {
    const span = this.data.sentences[Math.max(0, Math.min(number, this.data.sentences.length - 1))];
    if (span) this.seek(span[0]);
  }

  stepSentence(by) {
    const now = this.data.sentences.findLastIndex(([from]) => from <= this.time);
    this.toSentence(now + by);
    this.sentences.children[this.sentence]?.scrollIntoView({ block: "nearest" });
  }

  faster(by) {
    const speed = this.find("speed");
    speed.selectedIndex = Math.max(0, Math.min(speed.selectedIndex + by, speed.options.length - 1));
  }
}

function two(number) {
  return String(number).padStart(2, "0");
}

export function clock(ms) {
  const seconds = Math.floor(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function exact(ms) {
  return `${clock(Math.max(ms, 0))}.${String(Math.max(ms, 0) % 1000).padStart(3, "0")}`;
}
