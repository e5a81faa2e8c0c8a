// The frames of a shared screen, one by one: from the browser's track processor, or from a video element that is read
// periodically.

/** Web APIs for tracks that TypeScript does not know yet: https://www.w3.org/TR/mediacapture-transform/ */
declare class MediaStreamTrackProcessor {
  constructor(options: { track: MediaStreamTrack });
  readonly readable: ReadableStream<VideoFrame>;
}

export interface Frames {
  stop(): void;
}

/** Whether this browser can read frames of a track. */
export const givesFrames = () => processes() || 'requestVideoFrameCallback' in HTMLVideoElement.prototype;
const processes = () => typeof MediaStreamTrackProcessor !== 'undefined';

/** Passes on each frame that shows something new; the receiver closes it. */
export function framesOf(track: MediaStreamTrack, take: (frame: VideoFrame) => void, failed: () => void): Frames {
  return processes() ? new ProcessedFrames(track, take) : new VideoFrames(track, take, failed);
}

/** Frames must arrive even if this page is hidden: the person looks at the shared window. */
class ProcessedFrames implements Frames {
  private over = false;

  constructor(track: MediaStreamTrack, take: (frame: VideoFrame) => void) {
    void this.read(track, take);
  }

  private async read(track: MediaStreamTrack, take: (frame: VideoFrame) => void) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    for (;;) {
      const { value, done } = await reader.read().catch(() => ({ value: undefined, done: true }));
      if (done || !value || this.over) {
        value?.close();
        return void reader.cancel().catch(() => undefined);
      }
      take(value);
    }
  }

  stop() {
    this.over = true;
  }
}

/**
 * A hidden page is not drawn and its timers are throttled, but its video continues: a worker, whose timers are not
 * throttled, says when to read. Such a track repeats pictures, so only changed ones are passed on.
 */
class VideoFrames implements Frames {
  private video = document.createElement('video');
  private clock = new Worker(new URL('./clock.worker.ts', import.meta.url), { type: 'module' });
  private looking = false;
  private over = false;
  private now = new Uint8Array(0);
  private before = new Uint8Array(0);

  constructor(
    track: MediaStreamTrack,
    private take: (frame: VideoFrame) => void,
    private failed: () => void
  ) {
    this.video.muted = true;
    this.video.srcObject = new MediaStream([track]);
    this.clock.onmessage = () => void this.look();
    this.video.play().catch(() => this.over || failed());
  }

  private async look() {
    if (this.looking || this.over || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    this.looking = true;
    let frame: VideoFrame | undefined;
    try {
      frame = new VideoFrame(this.video, { timestamp: Math.round(performance.now() * 1000) });
      if ((await this.differs(frame)) && !this.over) {
        this.take(frame);
        frame = undefined;
      }
    } catch {
      if (!this.over) this.failed();
    } finally {
      frame?.close();
      this.looking = false;
    }
  }

  private async differs(frame: VideoFrame): Promise<boolean> {
    const size = frame.allocationSize();
    if (this.now.length !== size) this.now = new Uint8Array(size);
    await frame.copyTo(this.now);
    [this.now, this.before] = [this.before, this.now];
    return !same(this.now, this.before);
  }

  stop() {
    this.over = true;
    this.clock.terminate();
    this.video.srcObject = null;
  }
}

function same(a: Uint8Array<ArrayBuffer>, b: Uint8Array<ArrayBuffer>): boolean {
  if (a.length !== b.length) return false;
  const words = a.length >> 2;
  const [left, right] = [new Int32Array(a.buffer, 0, words), new Int32Array(b.buffer, 0, words)];
  for (let i = 0; i < words; i++) if (left[i] !== right[i]) return false;
  for (let i = words * 4; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
