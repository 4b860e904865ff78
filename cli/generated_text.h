#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/local_service.h"
#include "runtime/base/ids.h"

namespace longshore::cli {

struct GeneratedText {
  std::string text;
  std::uint32_t tokens = 0;
  double first_token_seconds = 0;
  double seconds = 0;        // in all
  bool interrupted = false;  // `stop` was set
};

// Produces the continuation of a prompt and hands out its text as it comes, whole characters at a time. Ends early when
// `stop` becomes true. Errors: the service's.
Result<GeneratedText> generate(LocalService& local, std::vector<TokenId> prompt, std::uint32_t max_tokens,
                               const SamplingParams& sampling, const HeadPlan& heads, const std::atomic<bool>& stop,
                               const std::function<void(std::string_view)>& on_text);

}  // namespace longshore::cli
