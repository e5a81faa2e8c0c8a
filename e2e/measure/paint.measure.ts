// A measurement, not a test: ways to paint decoded pictures, side by side in one page.
// npx playwright test -c measure.config.ts paint

import { test } from '@playwright/test';

const tenths = (list: number[]) => {
  const sorted = [...list].sort((a, b) => a - b);
  return (
    [0.5, 0.95].map((part) => sorted[Math.floor(sorted.length * part)]!.toFixed(1)).join(' / ') + ' ms (p50 / p95)'
  );
};

test('ways to paint', async ({ page }) => {
  test.setTimeout(300_000);
  // An empty page of this machine: decoders and workers are available there.
  await page.route('http://localhost:1/', (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><body></body>' })
  );
  await page.goto('http://localhost:1/');
  const all = await page.evaluate(async () => {
    const [W, H, TURNS] = [1920, 1080, 60];
    const sizes: [string, number, number][] = [
      ['a key press (400×300)', 400, 300],
      ['a terminal (832×576)', 832, 576],
      ['the whole screen', W, H]
    ];
    const planes = () => Uint8Array.from({ length: 3 * W * H }, () => Math.random() * 256);
    const frames = [planes(), planes()].map(
      (data) => () =>
        new VideoFrame(data, {
          format: 'I444' as VideoPixelFormat,
          codedWidth: W,
          codedHeight: H,
          timestamp: 0,
          colorSpace: { matrix: 'rgb', fullRange: true }
        })
    );
    const shown = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const interleave = (planes: Uint8Array, pixels: Uint32Array) => {
      for (let i = 0, n = pixels.length; i < n; i++)
        pixels[i] = 0xff000000 | (planes[n + i]! << 16) | (planes[i]! << 8) | planes[2 * n + i]!;
    };
    const copied = async (frame: VideoFrame, width: number, height: number) => {
      const own = new Uint8Array(3 * width * height);
      const layout = [0, 1, 2].map((plane) => ({ offset: plane * width * height, stride: width }));
      await frame.copyTo(own, { rect: { x: 0, y: 0, width, height }, layout });
      return own;
    };
    const canvas = () =>
      Object.assign(document.body.appendChild(document.createElement('canvas')), { width: W, height: H });
    type Paint = (frame: VideoFrame, width: number, height: number) => Promise<void> | void;
    const flat = canvas().getContext('2d', { alpha: false, desynchronized: true })!;
    const copy: Paint = async (frame, width, height) => {
      const own = await copied(frame, width, height);
      const pixels = new Uint32Array(width * height);
      interleave(own, pixels);
      flat.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0);
    };
    const draw: Paint = (frame) => flat.drawImage(frame, 0, 0);
    const gl = canvas().getContext('webgl2', { alpha: false, desynchronized: true })!;
    const ways: [string, Paint | null][] = [
      ['2D: copy what changed', copy],
      ['2D: draw the whole frame', draw]
    ];
    if (gl) {
      const part = (kind: number, source: string) => {
        const shader = gl.createShader(kind)!;
        gl.shaderSource(shader, source);
        gl.compileShader(shader);
        return shader;
      };
      const program = gl.createProgram()!;
      gl.attachShader(
        program,
        part(
          gl.VERTEX_SHADER,
          '#version 300 es\nin vec2 p; out vec2 t; void main(){ t = vec2(p.x + 1.0, 1.0 - p.y) / 2.0; gl_Position = vec4(p, 0, 1); }'
        )
      );
      gl.attachShader(
        program,
        part(
          gl.FRAGMENT_SHADER,
          '#version 300 es\nprecision mediump float; uniform sampler2D g, b, r; in vec2 t; out vec4 c; void main(){ c = vec4(texture(r, t).r, texture(g, t).r, texture(b, t).r, 1); }'
        )
      );
      gl.linkProgram(program);
      gl.useProgram(program);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 3, -1, -1, 3]), gl.STATIC_DRAW);
      gl.enableVertexAttribArray(0);
      gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
      gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
      ['g', 'b', 'r'].forEach((name, unit) => {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
        gl.texStorage2D(gl.TEXTURE_2D, 1, gl.R8, W, H);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
        gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
        gl.uniform1i(gl.getUniformLocation(program, name), unit);
      });
      ways.push([
        'WebGL: planes of what changed',
        async (frame, width, height) => {
          const own = await copied(frame, width, height);
          for (let unit = 0; unit < 3; unit++) {
            gl.activeTexture(gl.TEXTURE0 + unit);
            gl.texSubImage2D(
              gl.TEXTURE_2D,
              0,
              0,
              0,
              width,
              height,
              gl.RED,
              gl.UNSIGNED_BYTE,
              own.subarray(unit * width * height)
            );
          }
          gl.drawArrays(gl.TRIANGLES, 0, 3);
          // Only reading a pixel back makes sure that it was drawn.
          gl.readPixels(0, H - 1, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
        }
      ]);
    }
    // The same copy in a worker with its own canvas: from posting the frame until the worker has drawn it.
    const source = `let c; onmessage = async ({ data }) => { if (data.canvas) { c = data.canvas.getContext('2d', { alpha: false, desynchronized: true }); return; }
      const { frame, width, height } = data; const n = width * height; const own = new Uint8Array(3 * n);
      await frame.copyTo(own, { rect: { x: 0, y: 0, width, height }, layout: [0, 1, 2].map((p) => ({ offset: p * n, stride: width })) }); frame.close();
      const pixels = new Uint32Array(n); for (let i = 0; i < n; i++) pixels[i] = 0xff000000 | (own[n + i] << 16) | (own[i] << 8) | own[2 * n + i];
      c.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), width, height), 0, 0); postMessage(0); };`;
    let worker: Worker | null = null;
    try {
      worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
      const offscreen = canvas().transferControlToOffscreen();
      worker.postMessage({ canvas: offscreen }, [offscreen]);
      ways.push([
        'a worker’s 2D: copy what changed',
        (frame, width, height) =>
          new Promise<void>((done) => {
            worker!.onmessage = () => done();
            worker!.postMessage({ frame, width, height }, [frame]);
          })
      ]);
    } catch {
      /* said by its absence */
    }
    const times: Record<string, number[]> = {};
    for (let turn = 0; turn < TURNS; turn++)
      for (const [size, width, height] of sizes)
        for (const [name, paint] of ways) {
          const frame = frames[turn % 2]!();
          const began = performance.now();
          await paint!(frame, width, height);
          (times[`${size}; ${name}`] ??= []).push(performance.now() - began);
          try {
            frame.close();
          } catch {
            /* handed over */
          }
          await shown();
        }
    return times;
  });
  for (const [name, list] of Object.entries(all)) console.log(`${name}: ${tenths(list)}`);
});
