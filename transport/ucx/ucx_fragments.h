#pragma once

#include <cstddef>
#include <cstdint>

// What travels between two UcxTransports: active messages that fit one segment of UCX each, so that the
// receiver copies them once, straight to where they belong, and nothing that UCX still holds points into
// memory of ours.
namespace longshore::transport {

// Bytes of payload in one active message: half a KvBlock of 128 tokens, d 128, f16. 8 KiB, UCX's own choice,
// costs a system call for each on TCP; from 64 KiB on the 16-bit lengths of UCX 1.13's shared memory
// overflow.
inline constexpr std::size_t kFragmentBytes = std::size_t{32} << 10;

// The active-message ids.
enum class FragmentKind : std::uint32_t {
  kGreeting = 1,  // first of a connection; data: the sender's worker address
  kMessage = 2,   // number: of the message in its connection, from 0; total: its bytes
  kPull = 3,      // number: ticket; piece: index of the first PullRequest in the data
  kPiece = 4,     // number, piece: what is answered; offset: in the piece
  kRefusal = 5,   // number: ticket; total: ErrorCode; data: text
  kGoodbye = 6,   // last of a connection
};
inline constexpr std::uint32_t kFragmentKinds = 7;

// The header of each. Native byte order: UCX itself does not talk between machines of different ones.
struct FragmentHeader {
  std::uint64_t connection = 0;  // chosen by the side that connected; both sides name it so
  std::uint64_t number = 0;
  std::uint64_t offset = 0;
  std::uint64_t total = 0;
  std::uint32_t piece = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(FragmentHeader) == 40);

struct PullRequest {
  std::uint64_t region = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};
inline constexpr std::size_t kPullRequestsPerFragment = kFragmentBytes / sizeof(PullRequest);

}  // namespace longshore::transport
