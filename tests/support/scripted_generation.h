#pragma once

#include "scheduler/service/generation.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace longshore::testing {

// A generation service whose events a test emits by hand, on the test's thread.
class ScriptedGeneration final : public service::GenerationService {
 public:
  Result<SequenceId> start(service::GenerationRequest request,
                           service::GenerationCallback on_event) override {
    if (refusal && requests.size() >= refuse_after) return *refusal;
    const SequenceId id{next_++};
    requests.push_back(std::move(request));
    callbacks_.emplace(id.value, std::move(on_event));
    return id;
  }
  void cancel(SequenceId sequence) override {
    cancelled.insert(sequence.value);
    callbacks_.erase(sequence.value);
  }
  service::GenerationLoad load() const override {
    return {.running = static_cast<std::uint32_t>(callbacks_.size())};
  }
  std::uint32_t context_tokens_max() const override { return 100; }

  void emit(std::uint64_t sequence, const service::GenerationEvent& event) {
    const auto found = callbacks_.find(sequence);
    if (found == callbacks_.end()) return;
    found->second(event);
    if (event.finish || event.error) callbacks_.erase(sequence);
  }
  void emit_token(std::uint64_t sequence, TokenId token, std::optional<service::FinishReason> finish = {}) {
    service::GenerationEvent event;
    event.token = ScoredToken{.token = token, .logprob = -0.5f, .top = {{token, -0.5f}, {'z', -1.25f}}};
    event.finish = finish;
    emit(sequence, event);
  }
  void emit_error(std::uint64_t sequence, Error error) {
    service::GenerationEvent event;
    event.error = std::move(error);
    emit(sequence, event);
  }

  std::vector<service::GenerationRequest> requests;
  std::set<std::uint64_t> cancelled;
  std::optional<Error> refusal;
  std::size_t refuse_after = 0;  // requests that are still taken

 private:
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, service::GenerationCallback> callbacks_;
};

}  // namespace longshore::testing
