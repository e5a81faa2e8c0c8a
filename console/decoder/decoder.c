// libaom's decoder for browsers that have none of their own, or a wrong one: see docs/decisions/0016-decoder.md.
//
// One decoder an instance. Where libaom would jump out of an error, the instance traps: whoever holds it makes another.

#include <stdint.h>
#include <stdlib.h>

#include "aom/aom_decoder.h"
#include "aom/aomdx.h"

#define EXPORT(name) __attribute__((export_name(#name)))

static aom_codec_ctx_t decoder;
static int ready;
static const aom_image_t *image;

struct buffer {
  uint8_t *bytes;
  size_t size;
};
static struct buffer input, output;

// At least so many bytes; null when there is no memory for them. What was in it may be lost.
static uint8_t *at_least(struct buffer *buffer, size_t size) {
  if (size > buffer->size) {
    free(buffer->bytes);
    buffer->bytes = malloc(size);
    buffer->size = buffer->bytes ? size : 0;
  }
  return buffer->bytes;
}

// Where the next temporal unit goes.
EXPORT(room) uint8_t *room(size_t size) { return at_least(&input, size); }

// Decodes the temporal unit of that size; 1 when there is a picture now.
EXPORT(decode) int decode(size_t size) {
  image = NULL;
  if (!ready && aom_codec_dec_init(&decoder, aom_codec_av1_dx(), NULL, 0) != AOM_CODEC_OK) return 0;
  ready = 1;
  if (aom_codec_decode(&decoder, input.bytes, size, NULL) != AOM_CODEC_OK) return 0;
  aom_codec_iter_t iterator = NULL;
  image = aom_codec_get_frame(&decoder, &iterator);
  return image && image->bit_depth == 8 && (image->fmt == AOM_IMG_FMT_I444 || image->fmt == AOM_IMG_FMT_I420);
}

EXPORT(width) unsigned width(void) { return image->d_w; }
EXPORT(height) unsigned height(void) { return image->d_h; }

// Whether the planes are the pixels: green, blue and red.
EXPORT(gbr) int gbr(void) { return image->mc == AOM_CICP_MC_IDENTITY && image->fmt == AOM_IMG_FMT_I444; }

static uint8_t byte(int value) { return value < 0 ? 0 : value > 255 ? 255 : value; }

// The planes of the identity matrix are green, blue and red.
static void from_gbr(const uint8_t *g, const uint8_t *b, const uint8_t *r, uint32_t *out, unsigned count) {
  for (unsigned i = 0; i < count; i++) out[i] = 0xff000000u | (uint32_t)b[i] << 16 | (uint32_t)g[i] << 8 | r[i];
}

// What the chroma planes add to red, green and blue, in 1/65536. ITU-R BT.709-6 and BT.601-7, 2.5.
struct matrix {
  int luma, black, red_v, green_u, green_v, blue_u;
};
static const struct matrix MATRICES[2][2] = {
    {{76309, 16, 117489, -13975, -34925, 138438}, {65536, 0, 103206, -12276, -30679, 121609}},
    {{76309, 16, 104597, -25675, -53279, 132201}, {65536, 0, 91881, -22553, -46802, 116130}},
};

static void from_yuv(const uint8_t *y, const uint8_t *u, const uint8_t *v, unsigned x, uint32_t *out, unsigned count) {
  int old = image->mc == AOM_CICP_MC_BT_601 || image->mc == AOM_CICP_MC_BT_470_B_G;
  const struct matrix m = MATRICES[old][image->range == AOM_CR_FULL_RANGE];
  unsigned shift = image->x_chroma_shift;
  for (unsigned i = 0; i < count; i++) {
    int luma = (y[x + i] - m.black) * m.luma + 32768;
    int blue = u[(x + i) >> shift] - 128, red = v[(x + i) >> shift] - 128;
    uint8_t r = byte((luma + m.red_v * red) >> 16), b = byte((luma + m.blue_u * blue) >> 16);
    uint8_t g = byte((luma + m.green_u * blue + m.green_v * red) >> 16);
    out[i] = 0xff000000u | (uint32_t)b << 16 | (uint32_t)g << 8 | r;
  }
}

// The pixels of a part of the picture as RGBA, a row after another; null when it does not lie on the picture.
EXPORT(pixels) uint32_t *pixels(unsigned x, unsigned y, unsigned columns, unsigned rows) {
  if (x > image->d_w || columns > image->d_w - x || y > image->d_h || rows > image->d_h - y) return NULL;
  uint32_t *out = (uint32_t *)at_least(&output, (size_t)4 * columns * rows);
  for (unsigned row = 0; out && row < rows; row++) {
    const uint8_t *lines[3];
    for (int i = 0; i < 3; i++) {
      size_t line = (y + row) >> (i ? image->y_chroma_shift : 0);
      lines[i] = image->planes[i] + line * image->stride[i];
    }
    uint32_t *to = out + (size_t)row * columns;
    if (gbr()) {
      from_gbr(lines[0] + x, lines[1] + x, lines[2] + x, to, columns);
    } else {
      from_yuv(lines[0], lines[1], lines[2], x, to, columns);
    }
  }
  return out;
}
