#include "runtime/kv/kv_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/base/check.h"

namespace longshore::kv {
namespace {

constexpr std::uint32_t kGroupKeys = 16;  // keys side by side
constexpr std::uint32_t kGroups = kLeafTokens / kGroupKeys;
constexpr std::uint32_t kScaleSpan = 32;  // dimensions that share a scale in q8_0

std::size_t element_bytes(Dtype type) { return type == Dtype::kF32 ? 4 : type == Dtype::kQ8_0 ? 1 : 2; }

// Where the elements and scales of one position lie in one half (K or V) of a block.
struct Place {
  std::byte* elements;  // element i at i * element_step
  std::size_t element_step;
  std::byte* scales;  // scale b at b * scale_step; q8_0 only
  std::size_t scale_step;
};

Place place_k(const KvLayout& layout, std::byte* block, std::uint32_t slot) {
  const std::size_t group_bytes = layout.k_bytes() / kGroups;
  const std::uint32_t lane = slot % kGroupKeys;
  std::byte* group = block + (slot / kGroupKeys) * group_bytes;
  const std::size_t width = element_bytes(layout.type);
  const std::size_t scale_bytes = layout.type == Dtype::kQ8_0 ? layout.d / kScaleSpan * kGroupKeys * 2 : 0;
  return {group + scale_bytes + lane * width, kGroupKeys * width, group + lane * 2, kGroupKeys * 2};
}

Place place_v(const KvLayout& layout, std::byte* block, std::uint32_t slot) {
  std::byte* half = block + layout.v_offset();
  const std::size_t width = element_bytes(layout.type);
  const std::size_t scales = layout.type == Dtype::kQ8_0 ? layout.d / kScaleSpan : 0;
  return {half + kLeafTokens * scales * 2 + slot * layout.d * width, width, half + slot * scales * 2, 2};
}

template <typename T>
void put(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
template <typename T>
T get(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// What is added to the integers of q8_0, so that they are stored without a sign.
constexpr int kQ8Zero = 128;

// One scale and 32 integers. Products of f16 and int8 are exact in f32, so decoding rounds nothing.
void encode_q8_0(const float* x, const Place& place, std::uint32_t scale_index) {
  float largest = 0;
  for (std::uint32_t i = 0; i < kScaleSpan; ++i) largest = std::max(largest, std::fabs(x[i]));
  const std::uint16_t scale_bits = f32_to_f16_saturated(largest / 127.0f);
  const float scale = f16_to_f32(scale_bits);
  put(place.scales + scale_index * place.scale_step, scale_bits);
  for (std::uint32_t i = 0; i < kScaleSpan; ++i) {
    const float steps = scale == 0 ? 0.0f : std::clamp(x[i] / scale, -127.0f, 127.0f);
    const float rounded = (steps + 0x1.8p23f) - 0x1.8p23f;  // half to even
    const std::size_t element = std::size_t{scale_index} * kScaleSpan + i;
    put(place.elements + element * place.element_step, static_cast<std::uint8_t>(static_cast<int>(rounded) + kQ8Zero));
  }
}

std::uint16_t to_finite_bf16(float x) {
  constexpr std::uint16_t kLargest = 0x7f7f;
  const std::uint16_t bits = f32_to_bf16(x);
  return (bits & 0x7fffu) > kLargest ? static_cast<std::uint16_t>((bits & 0x8000u) | kLargest) : bits;
}

void encode(const KvLayout& layout, const float* x, const Place& place) {
  switch (layout.type) {
    case Dtype::kF32:
      for (std::uint32_t i = 0; i < layout.d; ++i) put(place.elements + i * place.element_step, x[i]);
      return;
    case Dtype::kF16:
      for (std::uint32_t i = 0; i < layout.d; ++i)
        put(place.elements + i * place.element_step, f32_to_f16_saturated(x[i]));
      return;
    case Dtype::kBF16:
      for (std::uint32_t i = 0; i < layout.d; ++i)
        put(place.elements + i * place.element_step, to_finite_bf16(x[i]));
      return;
    case Dtype::kQ8_0:
      for (std::uint32_t b = 0; b < layout.d / kScaleSpan; ++b) encode_q8_0(x + b * kScaleSpan, place, b);
      return;
  }
}

void decode_row(const KvLayout& layout, const Place& place, float* x) {
  for (std::uint32_t i = 0; i < layout.d; ++i) {
    const std::byte* element = place.elements + i * place.element_step;
    switch (layout.type) {
      case Dtype::kF32:
        x[i] = get<float>(element);
        break;
      case Dtype::kF16:
        x[i] = f16_to_f32(get<std::uint16_t>(element));
        break;
      case Dtype::kBF16:
        x[i] = bf16_to_f32(get<std::uint16_t>(element));
        break;
      case Dtype::kQ8_0: {
        const std::byte* scale = place.scales + (i / kScaleSpan) * place.scale_step;
        x[i] = static_cast<float>(get<std::uint8_t>(element) - kQ8Zero) * f16_to_f32(get<std::uint16_t>(scale));
        break;
      }
    }
  }
}

Result<void> check_finite(const char* what, const KvLayout& layout, std::uint32_t count, KvRows rows) {
  for (std::uint32_t n = 0; n < count; ++n) {
    const float* x = rows.data + n * rows.stride;
    for (std::uint32_t i = 0; i < layout.d; ++i) {
      if (!std::isfinite(x[i]))
        return make_error(ErrorCode::kInvalidArgument, what, " of row ", n, " of ", count, " is ", x[i],
                          " in dimension ", i, "; the KV store takes finite values only");
    }
  }
  return {};
}

}  // namespace

std::size_t KvLayout::k_bytes() const {
  const std::size_t elements = std::size_t{kLeafTokens} * d;
  return elements * element_bytes(type) + (type == Dtype::kQ8_0 ? elements / kScaleSpan * 2 : 0);
}

Result<void> KvLayout::validate() const {
  const std::uint32_t step = type == Dtype::kQ8_0 ? kScaleSpan : kGroupKeys;
  if (d < kGroupKeys || d > 1024 || d % step != 0)
    return make_error(ErrorCode::kInvalidArgument, "KV of type ", to_string(type),
                      " needs a head dimension that is a multiple of ", step,
                      " in [16, 1024]; this model has ", d,
                      (step == kScaleSpan ? "; try --kv-type f16" : ""));
  return {};
}

Result<void> append(
    const KvLayout& layout, std::byte* block, std::uint32_t slot, std::uint32_t count, KvRows k, KvRows v) {
  CHECK(slot <= kLeafTokens && count <= kLeafTokens - slot) << "slot " << slot << " count " << count;
  if (Result<void> finite = check_finite("K", layout, count, k); !finite) return finite;
  if (Result<void> finite = check_finite("V", layout, count, v); !finite) return finite;
  for (std::uint32_t n = 0; n < count; ++n) {
    encode(layout, k.data + n * k.stride, place_k(layout, block, slot + n));
    encode(layout, v.data + n * v.stride, place_v(layout, block, slot + n));
  }
  return {};
}

void decode(const KvLayout& layout, const std::byte* block, std::uint32_t slot, float* k, float* v) {
  CHECK(slot < kLeafTokens) << "slot " << slot;
  std::byte* bytes = const_cast<std::byte*>(block);  // only read below
  decode_row(layout, place_k(layout, bytes, slot), k);
  decode_row(layout, place_v(layout, bytes, slot), v);
}

}  // namespace longshore::kv
