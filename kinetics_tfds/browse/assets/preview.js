// The moving pictures in the grid. Only cards on the screen move, all of them to one clock.

const STEP_MILLISECONDS = 250;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const moving = new Set();

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const preview = target.preview;
    preview.visible = isIntersecting;
    if (isIntersecting) preview.start();
    else preview.stop();
  }
}, { rootMargin: "100px" });

export function watch(element, preview) {
  element.preview = preview;
  // For those who asked for less motion a preview moves while it is pointed at, and otherwise shows one frame.
  element.addEventListener("pointerenter", () => preview.wake(true));
  element.addEventListener("pointerleave", () => preview.wake(false));
  seen.observe(element);
}

export const forget = (element) => { seen.unobserve(element); element.preview?.stop(); };

export class FramesPreview {
  constructor(canvas, load) {
    this.canvas = canvas;
    this.load = load;
    this.at = 0;
  }

  async start() {
    if (!this.frames) {
      this.frames = { length: 0 };
      try {
        this.frames = await this.load();
        await this.draw();
        this.canvas.parentElement.classList.add("loaded");
      } catch (error) {
        this.canvas.replaceWith(error.message);
      }
    }
    if (this.visible && !still.matches) moving.add(this);
  }

  stop() { moving.delete(this); }

  wake(pointed) {
    if (!still.matches) return;
    if (pointed) moving.add(this);
    else moving.delete(this);
  }

  async tick() {
    if (this.frames.length < 2) return;
    this.at = (this.at + 1) % this.frames.length;
    await this.draw();
  }

  async draw() {
    if (!this.frames.length) return;
    const bitmap = await this.frames.bitmap(this.at);
    this.canvas.width = bitmap.width;
    this.canvas.height = bitmap.height;
    this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  }
}

export class VideoPreview {
  constructor(video, address) {
    this.video = video;
    this.address = address;
  }

  start() {
    if (!this.video.src) this.video.src = this.address;
    if (!still.matches) this.video.play().catch(() => {});
  }

  stop() {
    this.video.pause();
    // A player keeps its connection, and a browser has six: those out of sight give theirs back.
    this.video.removeAttribute("src");
    this.video.load();
  }

  wake(pointed) {
    if (!still.matches) return;
    if (pointed) this.video.play().catch(() => {});
    else this.video.pause();
  }
}

setInterval(() => {
  if (!document.hidden) for (const preview of moving) preview.tick();
}, STEP_MILLISECONDS);
