#include "runtime/kernels/weight_block.h"

#include <cstring>

#include "runtime/kernels/tile_layout.h"
#include "runtime/tensor/dtype.h"

namespace longshore::kernels {
namespace {

template <typename T>
T load(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

void store_u16(std::byte* to, std::uint16_t value) { std::memcpy(to, &value, sizeof value); }

void or_u32(std::byte* to, std::uint32_t value) {
  value |= load<std::uint32_t>(to);
  std::memcpy(to, &value, sizeof value);
}

// Six-bit values in three rows of 128 bytes: row r < 3 holds value i + 128 r in the low six bits of byte i, and bits 2r
// and 2r+1 of value i + 384 in its top two. So 64 values expand with a few AND and shift operations.
void six_bit_store(std::byte* rows, std::size_t index, std::uint8_t value) {
  const std::size_t array = index / 128;
  std::byte* const at = rows + index % 128;
  if (array < 3) {
    at[128 * array] |= std::byte{value};
    return;
  }
  for (int r = 0; r < 3; ++r) at[128 * r] |= static_cast<std::byte>(((value >> (2 * r)) & 3) << 6);
}

std::uint8_t six_bit_load(const std::byte* rows, std::size_t index) {
  const std::size_t array = index / 128;
  const std::byte* const at = rows + index % 128;
  if (array < 3) return static_cast<std::uint8_t>(at[128 * array]) & 0x3f;
  int value = 0;
  for (int r = 0; r < 3; ++r) value |= (static_cast<int>(at[128 * r]) >> 6) << (2 * r);
  return static_cast<std::uint8_t>(value);
}

// Four codes at once, in the bytes of a dword.
constexpr std::uint32_t kEach = 0x01010101u;

// Code bits start where the wider planes end: `shift` bits are taken already.
void store_group(const CodePlanes& planes, const std::uint8_t* code, std::byte* group, std::size_t column) {
  std::uint32_t step[8];
  std::memcpy(step, code, sizeof step);
  std::byte* const at = group + 4 * column;
  if (planes.byte >= 0)
    for (int i = 0; i < 8; ++i) or_u32(at + planes.byte + kPlaneRowBytes * i, step[i]);
  int shift = 0;
  if (planes.nibble[0] >= 0) {
    for (int j = 0; j < 4; ++j)
      or_u32(at + planes.nibble[j], (step[2 * j] & (15 * kEach)) | (step[2 * j + 1] & (15 * kEach)) << 4);
    shift = 4;
  }
  if (planes.pair[0] >= 0) {
    for (int i = 0; i < 8; ++i)
      or_u32(at + planes.pair[i / 4], ((step[i] >> shift) & (3 * kEach)) << (2 * (i % 4)));
    shift += 2;
  }
  if (planes.bit >= 0)
    for (int i = 0; i < 8; ++i) or_u32(at + planes.bit, ((step[i] >> shift) & kEach) << i);
}

void load_group(const CodePlanes& planes, const std::byte* group, std::size_t column, std::uint8_t* code) {
  const std::byte* const at = group + 4 * column;
  std::uint32_t step[8] = {};
  if (planes.byte >= 0)
    for (int i = 0; i < 8; ++i) step[i] = load<std::uint32_t>(at + planes.byte + kPlaneRowBytes * i);
  int shift = 0;
  if (planes.nibble[0] >= 0) {
    for (int i = 0; i < 8; ++i)
      step[i] = (load<std::uint32_t>(at + planes.nibble[i / 2]) >> (4 * (i % 2))) & (15 * kEach);
    shift = 4;
  }
  if (planes.pair[0] >= 0) {
    for (int i = 0; i < 8; ++i)
      step[i] |= ((load<std::uint32_t>(at + planes.pair[i / 4]) >> (2 * (i % 4))) & (3 * kEach)) << shift;
    shift += 2;
  }
  if (planes.bit >= 0)
    for (int i = 0; i < 8; ++i) step[i] |= ((load<std::uint32_t>(at + planes.bit) >> i) & kEach) << shift;
  std::memcpy(code, step, sizeof step);
}

// ---- GGUF blocks, field by field ----

using Bytes = const std::uint8_t*;

void read_low_nibbles(Bytes qs, std::uint8_t* code) {
  for (int i = 0; i < 16; ++i) {
    code[i] = qs[i] & 15;
    code[i + 16] = static_cast<std::uint8_t>(qs[i] >> 4);
  }
}

void read_fifth_bits(Bytes qh, std::uint8_t* code) {
  const std::uint32_t bits = load<std::uint32_t>(qh);
  for (int i = 0; i < 32; ++i) code[i] |= static_cast<std::uint8_t>(((bits >> i) & 1) << 4);
}

// Elements e = 128 n + 32 j + l of the 2-bit plane: bits 2j of byte 32 n + l.
void read_two_bits(Bytes qs, std::uint8_t* code) {
  for (int e = 0; e < 256; ++e) code[e] = (qs[e / 128 * 32 + e % 32] >> (e % 128 / 32 * 2)) & 3;
}

// Eight six-bit scales and minima in 12 bytes.
void read_scales_k4(Bytes q, WeightBlock& block) {
  for (int j = 0; j < 4; ++j) {
    block.scale[j] = q[j] & 63;
    block.minimum[j] = q[j + 4] & 63;
    block.scale[j + 4] = static_cast<std::uint8_t>((q[j + 8] & 15) | (q[j] >> 6) << 4);
    block.minimum[j + 4] = static_cast<std::uint8_t>((q[j + 8] >> 4) | (q[j + 4] >> 6) << 4);
  }
}

void read_q2_k(Bytes p, WeightBlock& block) {
  for (int i = 0; i < 16; ++i) {
    block.scale[i] = p[i] & 15;
    block.minimum[i] = static_cast<std::uint8_t>(p[i] >> 4);
  }
  read_two_bits(p + 16, block.code);
  block.d = load<std::uint16_t>(p + 80);
  block.m = load<std::uint16_t>(p + 82);
}

void read_q3_k(Bytes p, WeightBlock& block) {
  read_two_bits(p + 32, block.code);
  for (int e = 0; e < 256; ++e) block.code[e] |= static_cast<std::uint8_t>(((p[e % 32] >> (e / 32)) & 1) << 2);
  const Bytes q = p + 96;
  for (int i = 0; i < 16; ++i) {
    const int low = (q[i % 8] >> (i / 8 * 4)) & 15;
    const int high = (q[8 + i % 4] >> (i / 4 * 2)) & 3;
    block.scale[i] = static_cast<std::uint8_t>(low | high << 4);
  }
  block.d = load<std::uint16_t>(p + 108);
}

void read_q45_k(Bytes p, WeightBlock& block, bool fifth_bit) {
  block.d = load<std::uint16_t>(p);
  block.m = load<std::uint16_t>(p + 2);
  read_scales_k4(p + 4, block);
  const Bytes qs = p + (fifth_bit ? 48 : 16);
  // Runs of 32 in a loop of their own: they become vectors, and all of a model passes through here.
  for (int run = 0; run < 8; ++run)
    for (int l = 0; l < 32; ++l) block.code[32 * run + l] = (qs[run / 2 * 32 + l] >> (run % 2 * 4)) & 15;
  if (!fifth_bit) return;
  for (int run = 0; run < 8; ++run)
    for (int l = 0; l < 32; ++l)
      block.code[32 * run + l] |= static_cast<std::uint8_t>(((p[16 + l] >> run) & 1) << 4);
}

void read_q6_k(Bytes p, WeightBlock& block) {
  for (int run = 0; run < 8; ++run) {
    const int n = run / 4, quarter = run % 4;
    for (int l = 0; l < 32; ++l) {
      const int low = (p[64 * n + 32 * (quarter % 2) + l] >> (quarter / 2 * 4)) & 15;
      const int high = (p[128 + 32 * n + l] >> (2 * quarter)) & 3;
      block.code[32 * run + l] = static_cast<std::uint8_t>(low | high << 4);
    }
  }
  std::memcpy(block.scale, p + 192, 16);
  block.d = load<std::uint16_t>(p + 208);
}

}  // namespace

void read_file_block(WeightFormat format, const std::byte* file, WeightBlock& block) {
  const Bytes p = reinterpret_cast<Bytes>(file);
  block.m = 0;
  switch (format) {
    case WeightFormat::kQ2_K: return read_q2_k(p, block);
    case WeightFormat::kQ3_K: return read_q3_k(p, block);
    case WeightFormat::kQ4_K: return read_q45_k(p, block, false);
    case WeightFormat::kQ5_K: return read_q45_k(p, block, true);
    case WeightFormat::kQ6_K: return read_q6_k(p, block);
    default: break;
  }
  block.d = load<std::uint16_t>(p);
  switch (format) {
    case WeightFormat::kQ8_0:
      for (int i = 0; i < 32; ++i) block.code[i] = p[2 + i] ^ 0x80;
      return;
    case WeightFormat::kQ4_0: return read_low_nibbles(p + 2, block.code);
    case WeightFormat::kQ4_1:
      block.m = load<std::uint16_t>(p + 2);
      return read_low_nibbles(p + 4, block.code);
    case WeightFormat::kQ5_0:
      read_low_nibbles(p + 6, block.code);
      return read_fifth_bits(p + 2, block.code);
    case WeightFormat::kQ5_1:
      block.m = load<std::uint16_t>(p + 2);
      read_low_nibbles(p + 8, block.code);
      return read_fifth_bits(p + 4, block.code);
    default: return;
  }
}

void store_tile_block(WeightFormat format, const WeightBlock& block, std::byte* tile_block, std::size_t column) {
  const TileLayout layout = tile_layout(format);
  std::byte* at = tile_block;
  store_u16(at + 2 * column, block.d);
  at += 2 * kTileColumns;
  if (layout.has_minimum()) {
    store_u16(at + 2 * column, block.m);
    at += 2 * kTileColumns;
  }
  for (std::size_t i = 0; i < 16; ++i) {
    switch (layout.scale_codes) {
      case ScaleCodes::kNone: break;
      case ScaleCodes::kSixBit:
        if (layout.has_halves())
          six_bit_store(at, 32 * i + column, block.scale[i]);
        else
          six_bit_store(at, 32 * i + column, i % 2 == 0 ? block.scale[i / 2] : block.minimum[i / 2]);
        break;
      case ScaleCodes::kSignedByte: at[32 * i + column] = std::byte{block.scale[i]}; break;
      case ScaleCodes::kNibbles:
        at[32 * i + column] = static_cast<std::byte>(block.scale[i] | block.minimum[i] << 4);
        break;
    }
  }
  for (std::size_t g = 0; g < layout.groups(); ++g)
    store_group(layout.planes, block.code + 32 * g, tile_block + layout.header_bytes + g * layout.group_bytes, column);
}

void load_tile_block(WeightFormat format, const std::byte* tile_block, std::size_t column, WeightBlock& block) {
  const TileLayout layout = tile_layout(format);
  const std::byte* at = tile_block;
  block.d = load<std::uint16_t>(at + 2 * column);
  at += 2 * kTileColumns;
  block.m = 0;
  if (layout.has_minimum()) {
    block.m = load<std::uint16_t>(at + 2 * column);
    at += 2 * kTileColumns;
  }
  for (std::size_t i = 0; i < 16; ++i) {
    switch (layout.scale_codes) {
      case ScaleCodes::kNone: break;
      case ScaleCodes::kSixBit:
        if (layout.has_halves())
          block.scale[i] = six_bit_load(at, 32 * i + column);
        else
          (i % 2 == 0 ? block.scale : block.minimum)[i / 2] = six_bit_load(at, 32 * i + column);
        break;
      case ScaleCodes::kSignedByte: block.scale[i] = static_cast<std::uint8_t>(at[32 * i + column]); break;
      case ScaleCodes::kNibbles:
        block.scale[i] = static_cast<std::uint8_t>(at[32 * i + column]) & 15;
        block.minimum[i] = static_cast<std::uint8_t>(static_cast<std::uint8_t>(at[32 * i + column]) >> 4);
        break;
    }
  }
  for (std::size_t g = 0; g < layout.groups(); ++g)
    load_group(layout.planes, tile_block + layout.header_bytes + g * layout.group_bytes, column, block.code + 32 * g);
}

BlockScales block_scales(WeightFormat format, const WeightBlock& block) {
  const TileLayout layout = tile_layout(format);
  const float d = f16_to_f32(block.d);
  const float m = f16_to_f32(block.m);
  BlockScales result{};
  if (layout.scale_codes == ScaleCodes::kNone) {
    result.scale[0] = d;
    result.minimum[0] = m;
    return result;
  }
  for (std::size_t i = 0; i < layout.groups() * (layout.has_halves() ? 2 : 1); ++i) {
    int code = block.scale[i];
    if (format == WeightFormat::kQ6_K) code = static_cast<std::int8_t>(block.scale[i]);
    if (format == WeightFormat::kQ3_K) code -= 32;
    result.scale[i] = d * static_cast<float>(code);
    const float minimum = m * static_cast<float>(layout.has_minimum() ? block.minimum[i] : 0);
    result.minimum[i] = layout.arithmetic == Arithmetic::kMinimum ? -minimum : minimum;
  }
  return result;
}

void block_values(WeightFormat format, const WeightBlock& block, float* out) {
  const TileLayout layout = tile_layout(format);
  const BlockScales scales = block_scales(format, block);
  const int offset = layout.offset_bits < 0 ? 0 : 1 << layout.offset_bits;
  const std::size_t scale_elements = layout.has_halves() ? 16 : 32;
  for (std::size_t e = 0; e < layout.block_elements; ++e) {
    const std::size_t i = e / scale_elements;
    const float product = static_cast<float>(block.code[e] - offset) * scales.scale[i];
    if (!layout.has_minimum())
      out[e] = product;
    else
      out[e] = layout.arithmetic == Arithmetic::kMinimum ? product + scales.minimum[i] : product - scales.minimum[i];
  }
}

}  // namespace longshore::kernels
