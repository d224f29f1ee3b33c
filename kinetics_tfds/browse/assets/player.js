// Plays a clip in the full view: frames at their times, with the record's audio as their clock, or a video file.
// Both players have the same face: length, time, place, play(), pause(), seek(place), step(number), rate, silent, end().

export class FramesPlayer {
  constructor(canvas, frames, timestamps, audio, onChange) {
    this.canvas = canvas;
    this.frames = frames;
    this.timestamps = timestamps;
    this.audio = audio;
    this.onChange = onChange;
    this.places = frames.length;
    this.place = 0;
    this.rate = 1;
    this.playing = false;
    // The last frame is shown as long as the others are on average.
    const last = timestamps.at(-1) ?? 0;
    this.length = last + (timestamps.length > 1 ? (last - timestamps[0]) / (timestamps.length - 1) : 0);
    this.draw();
  }

  get time() { return this.timestamps[this.place] ?? 0; }
  get hasSound() { return this.audio !== null; }
  get silent() { return this.audio?.muted ?? true; }
  set silent(value) { if (this.audio) this.audio.muted = value; }

  async play() {
    if (this.place >= this.places - 1) this.place = 0;
    this.playing = true;
    this.startClock();
    this.onChange();
    this.tick();
  }

  startClock() {
    this.started = performance.now() - (1000 * this.time) / this.rate;
    if (!this.audio) return;
    this.audio.currentTime = this.time;
    this.audio.playbackRate = this.rate;
    this.audio.play().catch(() => {});
  }

  // Audio that is shorter than the frames, or may not play, leaves the clock to the system's.
  now() {
    const sounding = this.audio && !this.audio.paused && !this.audio.ended && this.audio.readyState > 1;
    if (!sounding) return ((performance.now() - this.started) * this.rate) / 1000;
    this.started = performance.now() - (1000 * this.audio.currentTime) / this.rate;
    return this.audio.currentTime;
  }

  tick() {
    if (!this.playing) return;
    const time = this.now();
    if (time >= this.length) {
      this.place = this.places - 1;
      this.pause();
      return;
    }
    const place = this.placeAt(time);
    if (place !== this.place) {
      this.place = place;
      this.draw();
      this.onChange();
    }
    requestAnimationFrame(() => this.tick());
  }

  // The frame that is shown at a time: the last one whose own time has come.
  placeAt(time) {
    let low = 0;
    let high = this.places - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.timestamps[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  pause() {
    this.playing = false;
    this.audio?.pause();
    this.draw();
    this.onChange();
  }

  seek(place) {
    this.place = Math.max(0, Math.min(this.places - 1, place));
    if (this.playing) this.startClock();
    this.draw();
    this.onChange();
  }

  step(number) {
    if (this.playing) this.pause();
    this.seek(this.place + number);
  }

  setRate(rate) {
    this.rate = rate;
    if (this.playing) this.startClock();
  }

  async draw() {
    const place = this.place;
    if (place >= this.frames.length) return;
    const bitmap = await this.frames.bitmap(place);
    if (place === this.place) {
      this.canvas.width = bitmap.width;
      this.canvas.height = bitmap.height;
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
      this.canvas.dataset.place = place;
    }
    bitmap.close();
  }

  end() {
    this.playing = false;
    this.audio?.pause();
  }
}

// A video file has no list of frames: places are steps of this many seconds until the player has seen two frames.
const ASSUMED_FRAME_SECONDS = 1 / 30;

export class VideoPlayer {
  constructor(video, start, end, onChange) {
    this.video = video;
    this.start = start;
    this.end_ = end;
    this.onChange = onChange;
    this.frameSeconds = ASSUMED_FRAME_SECONDS;
    video.addEventListener("loadedmetadata", () => { if (start) video.currentTime = start; onChange(); });
    for (const name of ["play", "pause", "timeupdate", "seeked"]) video.addEventListener(name, () => this.changed());
    this.measure();
  }

  // The shortest time between two shown frames is that of a frame.
  measure() {
    let before = null;
    const next = (_, { mediaTime }) => {
      const gap = mediaTime - before;
      if (before !== null && gap > 0.004 && gap < 0.2) this.frameSeconds = Math.min(this.frameSeconds, gap) || gap;
      before = mediaTime;
      this.video.requestVideoFrameCallback?.(next);
    };
    this.video.requestVideoFrameCallback?.(next);
  }

  changed() {
    if (this.end_ !== null && this.video.currentTime >= this.end_ && this.playing) this.video.pause();
    this.onChange();
  }

  get length() { return (this.end_ ?? (this.video.duration || 0)) - this.start; }
  get time() { return Math.max(0, this.video.currentTime - this.start); }
  get places() { return Math.max(1, Math.round(this.length / this.frameSeconds)); }
  get place() { return Math.min(this.places - 1, Math.round(this.time / this.frameSeconds)); }
  get playing() { return !this.video.paused && !this.video.ended; }
  get hasSound() { return true; }
  get silent() { return this.video.muted; }
  set silent(value) { this.video.muted = value; this.onChange(); }

  play() {
    if (this.time >= this.length - this.frameSeconds) this.video.currentTime = this.start;
    this.video.play().catch(() => {});
  }

  pause() { this.video.pause(); }
  seek(place) { this.video.currentTime = this.start + Math.max(0, Math.min(this.places - 1, place)) * this.frameSeconds; }
  setRate(rate) { this.video.playbackRate = rate; }

  step(number) {
    this.pause();
    this.video.currentTime = Math.max(this.start, this.video.currentTime + number * this.frameSeconds);
  }

  end() {
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
